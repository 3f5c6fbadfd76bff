package chain_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// A call that a deadline interrupts counts if it ran for 1 s, or for the link's Timeout if
// that is shorter.
func TestCallInterruptedByDeadline(t *testing.T) {
	for _, test := range []struct {
		name     string
		timeout  time.Duration
		deadline time.Duration // of the caller
		alone    bool          // and no share of it
		counts   bool
	}{
		{"by its Timeout", time.Second, 0, false, true},
		{"by a short Timeout", time.Millisecond, 0, false, true},
		{"by a share of a second", 0, 2 * time.Second, false, true},
		{"by a shorter share", 0, 2*time.Second - 1, false, false},
		{"by a share of 7.5 ms", time.Second, 15 * time.Millisecond, false, false},
		{"by a short Timeout within the share", 7 * time.Millisecond, 15 * time.Millisecond, false, true},
		{"by the caller's deadline after a second", 0, time.Second, true, true},
		{"by the caller's deadline before", 0, time.Second - 1, true, false},
		{"by the caller's deadline before its Timeout", 100 * time.Millisecond, 99 * time.Millisecond, true, false},
	} {
		for kind, link := range map[string]func() chain.Link{ // made in the bubble
			"classed": func() chain.Link { return hangs("a") },
			"without a class": func() chain.Link {
				return linkFunc("a", func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
					<-ctx.Done()
					return hush.Secret{}, fmt.Errorf("read: %w", ctx.Err())
				})
			},
			"a chain": func() chain.Link {
				return chain.Link{Name: "a", Provider: chain.New([]chain.Link{hangs("inner")}, nil)}
			},
			"a batch": func() chain.Link { return chain.Link{Name: "a", Provider: &batcher{get: hangs("a").Provider.Get}} },
		} {
			t.Run(test.name+", "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var opened atomic.Bool
					o := &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
						if c.Breaker == "opened" {
							opened.Store(true)
						}
					}}
					links := []chain.Link{limited(link(), test.timeout), returns("env", 0)}
					if test.alone {
						links = links[:1]
					}
					c := chain.New(links, o)
					for range 5 {
						ctx, cancel := t.Context(), context.CancelFunc(func() {})
						if test.deadline > 0 {
							ctx, cancel = context.WithTimeout(ctx, test.deadline)
						}
						for _, r := range c.GetBatch(ctx, []hush.Ref{hush.Name("db"), hush.Name("other")}) {
							assert.Equal(t, test.alone, r.Err != nil)
						}
						cancel()
					}
					assert.Equal(t, test.counts, opened.Load())
				})
			})
		}
	}
}

// A call that the caller canceled does not count, however long it ran.
func TestCallCanceledByCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chain.New([]chain.Link{hangs("a")}, nil)
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			time.AfterFunc(time.Minute, cancel)
			_, err := c.Get(ctx, hush.Name("db"))
			require.ErrorIs(t, err, context.Canceled)
		}
		assert.True(t, c.IsHealthy())
	})
}

// Callers with short deadlines do not open the breaker for other callers.
func TestShortDeadlinesAndBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		c := chain.New([]chain.Link{{Name: "direct", Provider: &s}, returns("env", hush.ErrNotFound)}, nil)
		errs := 0
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
			_, err := c.Get(ctx, hush.Name("db"))
			assert.Error(t, err)
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
			if got, err := c.Get(ctx, hush.Name("db")); err != nil || got.FromFallback {
				errs++
			}
			cancel()
		}
		assert.Zero(t, errs)
		assert.True(t, c.IsHealthy())
	})
}

// A last-resort call that waited for its slot has had less time than its Timeout.
func TestLastResortCallReleasedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := longWait()
		var failures atomic.Int64
		o.OnCall = func(_ context.Context, c chain.Call) {
			if hush.ClassOf(c.Err) == down {
				failures.Add(int64(c.Failures))
			}
		}
		var released atomic.Bool
		c := chain.New(alone(limited(linkFunc("a", func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			switch ref.Name {
			case "db":
				return hush.Secret{}, down
			case "1":
				time.Sleep(800 * time.Millisecond)
				released.Store(true)
				return hush.Secret{}, nil
			}
			<-ctx.Done()
			return hush.Secret{}, ctx.Err()
		}), 900*time.Millisecond)), o)
		for range 5 {
			_, _ = c.Get(t.Context(), hush.Name("db"))
		}
		failures.Store(0)
		var gets sync.WaitGroup
		for _, name := range []string{"1", "2", "3", "4", "5", "6"} {
			gets.Go(func() { _, _ = c.Get(t.Context(), hush.Name(name)) })
			synctest.Wait()
		}
		gets.Wait()
		assert.True(t, released.Load())
		assert.Zero(t, failures.Load(), "5 and 6 had 100 ms")
	})
}
