package bench_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	secretCount = 100 // secrets in each cache
	hotIndex    = 42  // index of the secret that all goroutines read
)

// BenchmarkHit reads one hot secret, or a hundred secrets in turn, in 1, 2, 4 … GOMAXPROCS
// goroutines.
func BenchmarkHit(b *testing.B) {
	reads := make([]read, len(caches))
	for i, c := range caches {
		reads[i] = c.open(b, refs(secretCount))
		warm(b, c.name, reads[i], secretCount)
	}
	for goroutines := 1; goroutines <= runtime.GOMAXPROCS(0); goroutines *= 2 {
		for i, c := range caches {
			b.Run(fmt.Sprintf("hot/goroutines=%d/%s", goroutines, c.name), func(b *testing.B) {
				inParallel(b, goroutines, func(int) error { _, err := reads[i](hotIndex); return err })
			})
		}
		for i, c := range caches {
			if !c.singleSecret {
				b.Run(fmt.Sprintf("spread/goroutines=%d/%s", goroutines, c.name), func(b *testing.B) {
					inParallel(b, goroutines, func(n int) error { _, err := reads[i](n % secretCount); return err })
				})
			}
		}
	}
}

// batch is the number of calls that a goroutine claims at a time.
const batch = 512

// inParallel makes b.N calls in the given number of goroutines. The goroutines claim batches of
// calls, so that all of them end at the same time.
func inParallel(b *testing.B, goroutines int, call func(n int) error) {
	b.Helper()
	var claimed atomic.Int64
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range goroutines {
		group.Go(func() {
			for {
				end := int(claimed.Add(batch))
				for n := end - batch; n < min(end, b.N); n++ {
					if err := call(n); err != nil {
						b.Error(err)
						return
					}
				}
				if end >= b.N {
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
