package chain_test

import (
	"context"
	"errors"
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

// A store is a link in a synctest bubble that takes 10 ms to respond. While it is down, it
// fails at once or hangs.
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

func withEnv(l chain.Link) []chain.Link { return []chain.Link{l, returns("env", hush.ErrNotFound)} }

// When the store is back, a burst succeeds as if there were no breaker.
func TestBurstAfterOutage(t *testing.T) {
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
						if got, err := c.Get(t.Context(), hush.Name("db")); err != nil || got.FromFallback {
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

// A store is down for a minute while callers with a deadline of 5 s make 100 reads a second.
// The store receives few calls, and its return is noticed at once.
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
