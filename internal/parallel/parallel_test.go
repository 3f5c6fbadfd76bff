package parallel_test

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/internal/parallel"
)

func TestEachDoesAllAndNotTooManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			n, most int
			takes   time.Duration // of one second each
		}{{0, 3, 0}, {1, 3, 1}, {2, 3, 1}, {3, 3, 1}, {7, 3, 3}, {20, 8, 3}, {5, 1, 5}} {
			done := make([]atomic.Int32, c.n)
			start := time.Now()
			parallel.Each(c.n, c.most, func(i int) {
				time.Sleep(time.Second)
				done[i].Add(1)
			})
			assert.Equal(t, c.takes*time.Second, time.Since(start), "%d, %d at a time", c.n, c.most)
			for i := range done {
				assert.EqualValues(t, 1, done[i].Load())
			}
		}
	})
}

func TestEachPassesAPanicOn(t *testing.T) {
	failure := errors.New("as it is")
	for _, n := range []int{1, 2, 100} {
		var calls atomic.Int32
		assert.PanicsWithError(t, "as it is", func() {
			parallel.Each(n, 2, func(int) {
				calls.Add(1)
				panic(failure)
			})
		})
		assert.LessOrEqual(t, calls.Load(), int32(2), "what has not begun is left out")
	}
}

func TestEachPassesAGoexitOn(t *testing.T) {
	for _, n := range []int{1, 2} {
		returned := false
		var caller sync.WaitGroup
		caller.Go(func() {
			parallel.Each(n, 2, func(int) { runtime.Goexit() })
			returned = true
		})
		caller.Wait()
		assert.False(t, returned)
	}
}

func TestEachBeginsAllThatHaveAWorker(t *testing.T) {
	for range 100 {
		var begun atomic.Int32
		assert.Panics(t, func() {
			parallel.Each(20, 20, func(i int) {
				begun.Add(1)
				if i == 0 {
					panic("at once")
				}
			})
		})
		assert.EqualValues(t, 20, begun.Load(), "others may wait for them")
	}
}
