package chain_test

import (
	"context"
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

// dead is a link that fails during an outage, at once or by its limit.
type dead struct {
	hangs   bool
	back    time.Time
	calls   atomic.Int64 // while it was dead
	changes []chain.Call // in which its breaker opened or closed
	probes  int          // that failed
}

func (d *dead) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if time.Now().After(d.back) {
		return hush.Secret{Value: hush.NewValue([]byte("back"))}, nil
	}
	d.calls.Add(1)
	if d.hangs {
		<-ctx.Done()
		return hush.Secret{}, ctx.Err()
	}
	return hush.Secret{}, hush.NewError("store", ref, hush.ErrUnavailable, nil)
}

func (d *dead) reported() func(context.Context, chain.Call) {
	var mu sync.Mutex
	return func(_ context.Context, c chain.Call) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case c.Breaker != "":
			d.changes = append(d.changes, c)
		case c.Failures > 5:
			d.probes++
		}
	}
}

// During an outage of 60 s at 1,000 reads a second without a cache, the breaker lets only
// probes through, and the next link serves every read.
func TestOutageWithoutCache(t *testing.T) {
	const outage, every = time.Minute, time.Millisecond
	for _, test := range []struct {
		name  string
		limit time.Duration
	}{
		{"refused at once", 0},
		{"hangs until its time limit", 500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				d := &dead{hangs: test.limit > 0, back: start.Add(outage)}
				c := chain.New([]chain.Link{{Name: "direct", Provider: d, Timeout: test.limit}, returns("env", 0)},
					&chain.Options{OnCall: d.reported()})
				var fallbacks, errs atomic.Int64
				var reads sync.WaitGroup
				for range outage / every {
					reads.Go(func() {
						switch secret, err := c.Get(t.Context(), hush.Name("db")); {
						case err != nil:
							errs.Add(1)
						case secret.FromFallback:
							fallbacks.Add(1)
						}
					})
					time.Sleep(every)
				}
				reads.Wait()
				calls, failed := d.calls.Load(), d.probes
				for len(d.changes) < 2 {
					_, err := c.Get(t.Context(), hush.Name("db"))
					require.NoError(t, err)
					time.Sleep(every)
				}
				recovered := time.Since(start) - outage

				require.Len(t, d.changes, 2, "it opens once and closes once")
				before := 5 + int64(test.limit/every) // asked until the fifth failure
				t.Logf("%d reads, %d errors; of the dead link %d calls: %d before its breaker opened, %d probes; called again %v after the outage",
					outage/every, errs.Load(), calls, calls-int64(failed), failed, recovered)
				assert.Zero(t, errs.Load())
				assert.Equal(t, int64(outage/every), fallbacks.Load())
				assert.LessOrEqual(t, calls, before+int64(failed)+1, "one probe may end with the outage")
				// Waits of up to 1, 2, 4, 8, 16 and 30 s: 25 probes within a minute have a
				// chance of less than 1e-15.
				assert.Less(t, failed, 25)
				assert.LessOrEqual(t, recovered, 31*time.Second)
			})
		})
	}
}

// While a link is down, at most one probe at a time calls it, although many goroutines read
// at once, some are canceled and some panic.
func TestOneProbeAtATimeUnderStress(t *testing.T) {
	var inside, most, calls, skips atomic.Int64
	o := chain.Options{
		Breaker: chain.Breaker{Wait: time.Nanosecond, MaxWait: time.Nanosecond},
		OnCall: func(_ context.Context, c chain.Call) {
			if c.Skipped {
				skips.Add(1)
			}
		},
	}
	cancels := func(ctx context.Context) { ctx.Value(cancelKey{}).(context.CancelFunc)() }
	c := chain.New([]chain.Link{linkFunc("a", func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		switch calls.Add(1) % 8 {
		case 6:
			cancels(ctx)
			return hush.Secret{}, ctx.Err()
		case 7:
			panic("a defect")
		}
		return hush.Secret{}, down
	}), returns("env", 0)}, &o)
	get := func() {
		defer func() { _ = recover() }()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, _ = c.Get(context.WithValue(ctx, cancelKey{}, cancel), hush.Name("db"))
	}
	for range 5 {
		get()
	}
	var gets sync.WaitGroup
	for range 32 {
		gets.Go(func() {
			for range 500 {
				get()
			}
		})
	}
	gets.Wait()
	t.Logf("%d gets, %d calls, %d skipped", 5+32*500, calls.Load(), skips.Load())
	assert.Equal(t, int64(1), most.Load(), "calls of the link at a time")
	assert.Greater(t, calls.Load(), int64(5), "there were probes")
	assert.Equal(t, int64(5+32*500), calls.Load()+skips.Load())
}

type cancelKey struct{}

// Many goroutines read while a link fails and recovers. The breaker closes each time.
func TestConcurrentOpeningAndClosing(t *testing.T) {
	var up atomic.Bool
	var changes [2]atomic.Int64
	o := chain.Options{
		Breaker: chain.Breaker{Failures: 2, Wait: time.Microsecond, MaxWait: time.Microsecond},
		OnCall: func(_ context.Context, c chain.Call) {
			switch c.Breaker {
			case "opened":
				changes[0].Add(1)
			case "closed":
				changes[1].Add(1)
			}
		},
	}
	c := chain.New([]chain.Link{linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
		if up.Load() {
			return hush.Secret{}, nil
		}
		return hush.Secret{}, down
	}), returns("env", 0)}, &o)
	var gets sync.WaitGroup
	for range 16 {
		gets.Go(func() {
			for i := range 2000 {
				if i%100 == 0 {
					up.Store(!up.Load())
				}
				_, err := c.Get(t.Context(), hush.Name("db"))
				assert.NoError(t, err)
			}
		})
	}
	gets.Wait()
	up.Store(true)
	assert.Eventually(t, func() bool {
		got, err := c.Get(t.Context(), hush.Name("db"))
		return err == nil && got.Source == "a"
	}, 10*time.Second, time.Microsecond)
	t.Logf("opened %d times, closed %d times", changes[0].Load(), changes[1].Load())
	assert.Equal(t, changes[0].Load(), changes[1].Load())
}
