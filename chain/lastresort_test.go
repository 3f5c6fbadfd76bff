package chain_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// At most four calls that are younger than a second are in flight. An older call may hang,
// so it loses its slot.
func TestLastResortCallsHaveFourSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		c := chain.New(withEnv(chain.Link{Name: "direct", Provider: &s}), longWait())
		s.open(t, c)
		s.hangs.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		var gets sync.WaitGroup
		for range 10 {
			gets.Go(func() { _, _ = c.Get(ctx, hush.Name("db")) })
		}
		for _, want := range []int{4, 8, 10} {
			synctest.Wait()
			s.mu.Lock()
			assert.Len(t, s.starts, want)
			s.mu.Unlock()
			time.Sleep(time.Second)
		}
		cancel()
		gets.Wait()

		// All slots are free again, and a call that ends frees its slot.
		s.take()
		s.hangs.Store(false)
		for range 10 {
			gets.Go(func() { _, _ = c.Get(t.Context(), hush.Name("db")) })
		}
		gets.Wait()
		calls, most := s.take()
		assert.Equal(t, 10, calls)
		assert.LessOrEqual(t, most, 4)
	})
}

// The first response releases all calls that wait and closes the breaker, even if a probe
// has failed in the meantime.
func TestFirstResponseReleasesAllWaitingCalls(t *testing.T) {
	for name, response := range map[string]hush.Class{"a secret": 0, "not found": hush.ErrNotFound, "denied": hush.ErrDenied} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &flakyChain{T: t}
				var changes []string
				o := &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
					if c.Breaker != "" {
						changes = append(changes, c.Breaker)
					}
				}}
				b.clock(o)
				calls := make(chan chan hush.Class, 20)
				broken := true
				c := chain.New(alone(linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
					if broken {
						return hush.Secret{}, down
					}
					end := make(chan hush.Class)
					calls <- end
					if class := <-end; class != 0 {
						return hush.Secret{}, class
					}
					return hush.Secret{}, nil
				})), o)
				for range 5 {
					_, _ = c.Get(t.Context(), hush.Name("db"))
				}
				broken = false
				var gets sync.WaitGroup
				get := func() { _, _ = c.Get(t.Context(), hush.Name("db")) }
				for range 10 {
					gets.Go(get)
				}
				synctest.Wait()
				require.Len(t, calls, 4)
				b.Advance(time.Second)
				gets.Go(get)
				synctest.Wait()
				require.Len(t, calls, 5, "a probe needs no place")
				var inFlight []chan hush.Class
				for range 5 {
					inFlight = append(inFlight, <-calls)
				}
				inFlight[4] <- down
				synctest.Wait()
				require.Empty(t, calls, "the probe's failure changes nothing for the others")

				inFlight[0] <- response
				synctest.Wait()
				assert.Len(t, calls, 6, "all that waited")
				for _, end := range inFlight[1:4] {
					end <- down // they came before, and count no more
				}
				for range 6 {
					(<-calls) <- 0
				}
				gets.Wait()
				assert.Equal(t, []string{"opened", "closed"}, changes)
				assert.True(t, c.IsHealthy())
			})
		})
	}
}

// A last-resort call that fails does not change the wait for the next probe.
func TestFailedLastResortCallsDoNotCount(t *testing.T) {
	b := &flakyChain{T: t}
	var last chain.Call
	o := &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
		if c.Provider == "a" && !c.Skipped {
			last = c
		}
	}}
	b.clock(o)
	calls := 0
	c := chain.New(alone(linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
		calls++
		return hush.Secret{}, down
	})), o)
	get := func() { _, _ = c.Get(t.Context(), hush.Name("db")) }
	for range 5 {
		get()
	}
	for range 20 {
		get()
		assert.Zero(t, last.Failures)
		assert.Zero(t, last.Wait)
	}
	assert.Equal(t, 25, calls)
	b.Advance(time.Second)
	get()
	assert.Equal(t, 6, last.Failures, "a probe counts")
	assert.Equal(t, 2*time.Second, last.Wait)
}

// Timers do not run in a frozen process, so the wall clock frees a slot, too.
func TestSlotIsFreeAfterFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &flakyChain{T: t}
		o := longWait()
		b.clock(o)
		var s store
		c := chain.New(alone(chain.Link{Name: "direct", Provider: &s}), o)
		s.open(t, c)
		s.hangs.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		var gets sync.WaitGroup
		for range 4 {
			gets.Go(func() { _, _ = c.Get(ctx, hush.Name("db")) })
		}
		synctest.Wait()
		b.Move(time.Second, 0)
		s.down.Store(false)
		start := time.Now()
		_, err := c.Get(t.Context(), hush.Name("db"))
		assert.NoError(t, err)
		assert.Equal(t, 10*time.Millisecond, time.Since(start))
		cancel()
		gets.Wait()
	})
}

// If the caller's context ends during a last-resort call, the lookup ends.
func TestCallerCancelsDuringLastResortCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failures, calls := 0, 0
	c := chain.New([]chain.Link{
		linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
			if failures++; failures <= 5 {
				return hush.Secret{}, down
			}
			cancel()
			return hush.Secret{}, hush.ErrNotFound
		}),
		linkFunc("b", func(context.Context, hush.Ref) (hush.Secret, error) {
			calls++
			return hush.Secret{}, down
		}),
	}, longWait())
	for range 5 {
		_, _ = c.Get(ctx, hush.Name("db"))
	}
	_, err := c.Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	assert.ErrorContains(t, err, "context canceled before b was called")
	assert.Equal(t, 5, calls)
}

// A last-resort call that panics, or whose goroutine exits, frees its slot.
func TestLastResortCallThatPanicsFreesItsSlot(t *testing.T) {
	for name, ends := range map[string]func(){"panic": func() { panic("a defect") }, "Goexit": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			broken, calls := false, 0
			c := chain.New(alone(linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
				calls++
				if broken {
					ends()
				}
				return hush.Secret{}, down
			})), longWait())
			start := time.Now()
			for i := range 25 {
				broken = i >= 5
				var get sync.WaitGroup
				get.Go(func() {
					defer func() { _ = recover() }()
					_, _ = c.Get(t.Context(), hush.Name("db"))
				})
				get.Wait()
			}
			assert.Equal(t, 25, calls, name)
			assert.Zero(t, time.Since(start), "%s: none waited", name)
		})
	}
}
