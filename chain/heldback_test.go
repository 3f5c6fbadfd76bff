package chain_test

import (
	"context"
	"errors"
	"runtime"
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

// A store is a link in a synctest bubble that takes 10 ms to respond. While it is down
// it refuses calls at once or hangs.
type store struct {
	down, hangs atomic.Bool

	mu     sync.Mutex
	starts []time.Time
	inside int
	most   int // calls in flight
}

func (s *store) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	s.enter(1)
	defer s.enter(-1)
	if !s.down.Load() {
		select {
		case <-time.After(10 * time.Millisecond):
			return hush.Secret{Version: "v1"}, nil
		case <-ctx.Done():
			return hush.Secret{}, ctx.Err()
		}
	}
	if s.hangs.Load() {
		<-ctx.Done()
		return hush.Secret{}, ctx.Err()
	}
	return hush.Secret{}, hush.NewError("store", ref, down, errors.New("connection refused"))
}

func (s *store) enter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside += n; n > 0 {
		s.starts = append(s.starts, time.Now())
		s.most = max(s.most, s.inside)
	}
}

// take returns the number of calls and of calls in flight so far, and starts over.
func (s *store) take() (calls, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls, most = len(s.starts), s.most
	s.starts, s.most = nil, s.inside
	return calls, most
}

// open opens the breaker of c's first link, s, and returns while s is down.
func (s *store) open(t *testing.T, c *chain.Chain) {
	t.Helper()
	s.down.Store(true)
	for range 5 {
		_, _ = c.Get(t.Context(), hush.Name("db"))
	}
	calls, _ := s.take()
	require.Equal(t, 5, calls)
}

// longWait are options under which no probe is due before an hour.
func longWait() *chain.Options {
	o := &chain.Options{Breaker: chain.Breaker{Wait: time.Hour}}
	o.SetJitter(func(most time.Duration) time.Duration { return most })
	return o
}

// alone and withEnv are the chains in which no other link has the secret.
func alone(l chain.Link) []chain.Link { return []chain.Link{l} }

func withEnv(l chain.Link) []chain.Link { return []chain.Link{l, says("env", hush.ErrNotFound)} }

// A burst on a store that is back is served as if there were no breaker.
func TestBurstAfterAnOutage(t *testing.T) {
	for name, links := range map[string]func(chain.Link) []chain.Link{"alone": alone, "with env": withEnv} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s store
				c := chain.New(links(chain.Link{Name: "direct", Provider: &s}), nil)
				s.open(t, c)
				time.Sleep(10 * time.Second)
				s.down.Store(false)
				start := time.Now()
				var errs atomic.Int64
				var gets sync.WaitGroup
				for range 50 {
					gets.Go(func() {
						if got, err := c.Get(t.Context(), hush.Name("db")); err != nil || got.Fallback {
							errs.Add(1)
						}
					})
				}
				gets.Wait()
				assert.Zero(t, errs.Load())
				assert.LessOrEqual(t, time.Since(start), 20*time.Millisecond, "the first calls, and all others together")
			})
		})
	}
}

// 100 reads a second of a store that is down for a minute, by callers with 5 s: the
// outage costs few calls, and its end is seen at once.
func TestOutageOfAMinute(t *testing.T) {
	for _, test := range []struct {
		name     string
		hangs    bool
		links    func(chain.Link) []chain.Link
		calls    int           // during the outage, at most
		response time.Duration // after the outage, at most
	}{
		{"hangs, alone", true, alone, 300 + 4*60 + 20, 1010 * time.Millisecond},
		{"hangs, with env", true, withEnv, 300 + 4*60 + 20, 1010 * time.Millisecond},
		{"refuses, alone", false, alone, 6100, 20 * time.Millisecond},
		{"refuses, with env", false, withEnv, 6100, 20 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s store
				s.hangs.Store(test.hangs)
				s.down.Store(true)
				c := chain.New(test.links(chain.Link{Name: "direct", Provider: &s, Timeout: 3 * time.Second}), nil)
				back := time.Now().Add(time.Minute)
				var mu sync.Mutex
				var first time.Duration // from the end of the outage
				late := 0               // errors of reads that began after it
				read := func() {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					began := time.Now()
					_, err := c.Get(ctx, hush.Name("db"))
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil && first == 0:
						first = time.Since(back)
					case err != nil && !began.Before(back):
						late++
					}
				}
				var reads sync.WaitGroup
				for range 100 * 70 {
					if s.down.Load() && !time.Now().Before(back) {
						calls, _ := s.take()
						t.Logf("%d calls in the outage", calls)
						assert.LessOrEqual(t, calls, test.calls)
						s.down.Store(false)
					}
					reads.Go(read)
					time.Sleep(10 * time.Millisecond)
				}
				reads.Wait()
				t.Logf("first response %v after the outage", first)
				assert.Zero(t, late)
				assert.Positive(t, first)
				assert.LessOrEqual(t, first, test.response)
			})
		})
	}
}

// At most four calls that are younger than a second are in flight. A call that is older
// may hang, and keeps no place.
func TestPlacesOfCallsAfterAll(t *testing.T) {
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

		// All places are free again, and a call that ends frees its place.
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

// The first response releases all calls that wait, and closes the breaker, although a
// probe has failed meanwhile.
func TestTheFirstResponseReleasesAll(t *testing.T) {
	for name, response := range map[string]hush.Class{"a secret": 0, "not found": hush.ErrNotFound, "denied": hush.ErrDenied} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bench{T: t}
				var changes []string
				o := &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
					if c.Breaker != "" {
						changes = append(changes, c.Breaker)
					}
				}}
				b.clock(o)
				calls := make(chan chan hush.Class, 20)
				broken := true
				c := chain.New(alone(does("a", func(context.Context, hush.Ref) (hush.Secret, error) {
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
				b.sleep(time.Second)
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
				assert.True(t, c.Calm())
			})
		})
	}
}

// The failures of calls after all do not change the wait for the next probe.
func TestFailuresAfterAllDoNotCount(t *testing.T) {
	b := &bench{T: t}
	var last chain.Call
	o := &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
		if c.Provider == "a" && !c.Skipped {
			last = c
		}
	}}
	b.clock(o)
	calls := 0
	c := chain.New(alone(does("a", func(context.Context, hush.Ref) (hush.Secret, error) {
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
	b.sleep(time.Second)
	get()
	assert.Equal(t, 6, last.Failures, "a probe counts")
	assert.Equal(t, 2*time.Second, last.Wait)
}

// A call after all waits within the caller's context and the link's Timeout.
func TestAWaitForAPlaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		o := longWait()
		c := chain.New([]chain.Link{{Name: "direct", Provider: &s, Timeout: 500 * time.Millisecond}, says("env", hush.ErrNotFound)}, o)
		s.open(t, c)
		s.hangs.Store(true)
		wait := func(ctx context.Context) (time.Duration, error) {
			var full sync.WaitGroup
			for range 4 {
				full.Go(func() { _, _ = c.Get(t.Context(), hush.Name("db")) })
			}
			synctest.Wait()
			start := time.Now()
			_, err := c.Get(ctx, hush.Name("db"))
			took := time.Since(start)
			full.Wait()
			return took, err
		}

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		took, err := wait(ctx)
		assert.Equal(t, 100*time.Millisecond, took)
		assert.EqualError(t, err, `chain: "db": canceled: direct: canceled: `+
			`not called: its breaker is open, and earlier calls took the time: context deadline exceeded; env: not found`)
		assert.ErrorIs(t, err, context.DeadlineExceeded)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err = wait(ctx)
		assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
		assert.ErrorIs(t, err, context.Canceled)
	})
}

// Links that were held back share the caller's time. If one has no place in its share, the
// search continues with the next.
func TestAWaitForAPlaceLeavesTimeForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s, next store
		c := chain.New([]chain.Link{{Name: "direct", Provider: &s}, {Name: "next", Provider: &next}}, longWait())
		next.down.Store(true)
		s.open(t, c)
		next.down.Store(false)
		s.hangs.Store(true)
		hanging, cancel := context.WithCancel(t.Context())
		var gets sync.WaitGroup
		for range 4 {
			gets.Go(func() { _, _ = c.Get(hanging, hush.Name("db")) })
		}
		synctest.Wait()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		start := time.Now()
		got, err := c.Get(ctx, hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, 510*time.Millisecond, time.Since(start))
		assert.Equal(t, "next", got.Source)
		assert.True(t, got.Fallback)
		calls, _ := s.take()
		assert.Equal(t, 4, calls)
		cancel()
		gets.Wait()
	})
}

// The newest call gets the next place: a call that has waited for most of its time could
// not tell whether the store is back.
func TestTheNewestCallGetsThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, broken := make(chan string, 10), true
		c := chain.New(alone(does("a", func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			if !broken {
				names <- ref.Name
				<-ctx.Done()
			}
			return hush.Secret{}, down
		})), longWait())
		for range 5 {
			_, _ = c.Get(t.Context(), hush.Name("db"))
		}
		broken = false
		var gets sync.WaitGroup
		start := func(name string) (cancel context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			gets.Go(func() { _, _ = c.Get(ctx, hush.Name(name)) })
			synctest.Wait()
			return cancel
		}
		var cancels []context.CancelFunc
		for _, name := range []string{"1", "2", "3", "4", "old", "new"} {
			cancels = append(cancels, start(name))
		}
		cancels[2]()
		synctest.Wait()
		cancels[3]()
		synctest.Wait()
		for _, want := range []string{"1", "2", "3", "4", "new", "old"} {
			assert.Equal(t, want, <-names)
		}
		for _, cancel := range cancels {
			cancel()
		}
		gets.Wait()
	})
}

// In a frozen process the timers stand still, so a place is free by the wall clock, too.
func TestAPlaceIsFreeAfterAFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t}
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
		b.wall.Add(int64(time.Second))
		s.down.Store(false)
		start := time.Now()
		_, err := c.Get(t.Context(), hush.Name("db"))
		assert.NoError(t, err)
		assert.Equal(t, 10*time.Millisecond, time.Since(start))
		cancel()
		gets.Wait()
	})
}

// The caller's end during a call after all ends the search.
func TestTheCallersEndDuringACallAfterAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failures, calls := 0, 0
	c := chain.New([]chain.Link{
		does("a", func(context.Context, hush.Ref) (hush.Secret, error) {
			if failures++; failures <= 5 {
				return hush.Secret{}, down
			}
			cancel()
			return hush.Secret{}, hush.ErrNotFound
		}),
		does("b", func(context.Context, hush.Ref) (hush.Secret, error) {
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

// A call after all that panics, or whose goroutine exits, gives its place back.
func TestACallAfterAllThatDoesNotReturn(t *testing.T) {
	for name, ends := range map[string]func(){"panic": func() { panic("a defect") }, "Goexit": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			broken, calls := false, 0
			c := chain.New(alone(does("a", func(context.Context, hush.Ref) (hush.Secret, error) {
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

// A result after all is the result of a search without breakers, but for the links that
// have responded meanwhile.
func TestResultAfterAll(t *testing.T) {
	const notFound, denied, absent, invalid = hush.ErrNotFound, hush.ErrDenied, hush.ErrAbsent, hush.ErrInvalidRef
	// held is a link that fails until its breaker has opened, and then has another result.
	held := func(name string, then hush.Class) chain.Link {
		failures := 0
		return does(name, func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			if failures++; failures <= 5 {
				return hush.Secret{}, hush.NewError("store", ref, down, nil)
			}
			return says(name, then).Provider.Get(ctx, ref)
		})
	}
	for _, test := range []struct {
		name     string
		links    []chain.Link
		policy   chain.Policy
		want     hush.Class
		source   string
		fallback bool
		called   []string
	}{
		{"another link has it", []chain.Link{held("a", 0), says("b", 0)}, nil, 0, "b", true, []string{"b"}},
		{"no other has it", []chain.Link{held("a", 0), says("b", notFound)}, nil, 0, "a", false, []string{"b", "a"}},
		{"a store after it is down", []chain.Link{held("a", 0), says("b", hush.ErrThrottled)}, nil, 0, "a", false, []string{"b", "a"}},
		{"a store before it is down", []chain.Link{says("a", hush.ErrThrottled), held("b", 0), says("c", notFound)}, nil, 0, "b", true, []string{"a", "c", "b"}},
		{"a store before it has responded after all", []chain.Link{held("a", notFound), held("b", 0)}, nil, 0, "b", false, []string{"a", "b"}},
		{"a store before it is still down", []chain.Link{held("a", down), held("b", 0)}, nil, 0, "b", true, []string{"a", "b"}},
		{"in order, until one has it", []chain.Link{held("a", 0), held("b", 0), says("c", denied)}, nil, 0, "a", false, []string{"c", "a"}},
		{"a front, whose store fails", []chain.Link{front(held("a", 0)), says("b", hush.ErrUnauthenticated)}, nil, 0, "a", false, []string{"b", "a"}},
		{"a front of a throttled store", []chain.Link{front(held("a", 0)), front(says("b", hush.ErrThrottled)), says("c", notFound)}, nil, notFound, "", false, []string{"b", "c"}},
		{"an invalid Ref ends the search", []chain.Link{held("a", invalid), held("b", 0), says("c", notFound)}, nil, invalid, "", false, []string{"c", "a"}},
		{"for a front, too", []chain.Link{front(held("a", invalid)), says("b", notFound)}, nil, invalid, "", false, []string{"b", "a"}},
		{"nothing after an invalid Ref", []chain.Link{held("a", 0), says("b", invalid)}, nil, invalid, "", false, []string{"b"}},
		{"its policy ends the search", []chain.Link{held("a", denied), held("b", 0), says("c", hush.ErrThrottled)}, chain.OutagesOnly, denied, "", false, []string{"c", "a"}},
		{"its policy lets the search continue", []chain.Link{held("a", absent), held("b", 0), says("c", notFound)}, chain.OutagesOnly, 0, "b", false, []string{"c", "a", "b"}},
		{"the policy allows no other link", []chain.Link{held("a", 0), says("b", 0)}, never, 0, "a", false, []string{"a"}},
		{"until it has responded", []chain.Link{held("a", absent), says("b", notFound), says("c", 0)}, never, notFound, "", false, []string{"a", "b"}},
		{"all fail", []chain.Link{says("a", notFound), held("b", denied)}, nil, denied, "", false, []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := longWait()
			var called []string
			o.OnCall = func(_ context.Context, c chain.Call) {
				if !c.Skipped && !c.Unresolved {
					called = append(called, c.Provider)
				}
			}
			o.Policy = test.policy
			c := chain.New(test.links, o)
			for range 5 {
				_, _ = c.Get(t.Context(), hush.Name("db"))
			}
			called = nil
			got, err := c.Get(t.Context(), hush.Name("db"))
			assert.Equal(t, test.want, hush.ClassOf(err), "%v", err)
			assert.Equal(t, test.source, got.Source)
			assert.Equal(t, test.fallback, got.Fallback)
			assert.Equal(t, test.called, called)
		})
	}
}
