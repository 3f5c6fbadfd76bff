// Package stress has the tests that run reads, changes and faults at the same time, for as
// long as a variable says: make stress and make soak.
package stress_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

const (
	ttl                  = 20 * time.Millisecond
	frontTTL             = 30 * time.Millisecond
	staleIfError         = 50 * time.Millisecond
	staleWhileRevalidate = 10 * time.Millisecond
	refreshAhead         = 5 * time.Millisecond
	negativeTTL          = 5 * time.Millisecond

	// busy is how long a busy machine may need to deliver a response to the waiting
	// readers.
	busy = 10 * time.Second
)

// duration returns the duration of a test: the value of the variable, or short.
func duration(t *testing.T, variable string, short time.Duration) time.Duration {
	t.Helper()
	text, ok := os.LookupEnv(variable)
	if !ok {
		return short
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err, variable)
	return d
}

// TestStress makes every kind of read through a cache and a chain, while the store rotates,
// rolls back, refuses, fails and hangs, and secrets are forgotten and evicted. HUSH_STRESS is
// the time.
func TestStress(t *testing.T) {
	known := goleak.IgnoreCurrent()
	d := duration(t, "HUSH_STRESS", 2*time.Second)
	t.Run("caches", func(t *testing.T) {
		for name, entries := range map[string]int{"large cache": 1000, "small cache": 4} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				newWorld(entries).run(t, d)
			})
		}
	})
	goleak.VerifyNone(t, known)
}

// A world is a store with its readers.
type world struct {
	store   *store
	cache   *cachettl.Cache
	names   []string
	handles map[string]*cachettl.Handle
	evicts  bool

	reads, canceled, stale, fallback, failed, forgets atomic.Uint64
}

func newWorld(entries int) *world {
	w := &world{store: newStore(12), handles: map[string]*cachettl.Handle{}, evicts: entries < 12}
	links := []chain.Link{
		{Name: "front", Provider: w.store.link("front"), Front: true},
		{Name: "store", Provider: w.store.link("store")},
		{Name: "spare", Provider: w.store.link("spare")},
	}
	o := &chain.Options{Breaker: chain.Breaker{Failures: 3, Wait: 5 * time.Millisecond, MaxWait: 20 * time.Millisecond}}
	w.cache = cachettl.New(chain.New(links, o), ttl, &cachettl.Options{
		MaxEntries: entries, StaleIfError: staleIfError, StaleWait: 3 * time.Millisecond, StaleWhileRevalidate: staleWhileRevalidate,
		RefreshAhead: refreshAhead, NegativeTTL: negativeTTL, MinRefresh: -1, FetchTimeout: time.Minute, CountHits: true,
	})
	for name := range w.store.keys {
		w.names = append(w.names, name)
		w.handles[name] = w.cache.Handle(hush.Name(name))
	}
	return w
}

func (w *world) run(t *testing.T, d time.Duration) {
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	var group sync.WaitGroup
	for range 12 {
		reader := reader{world: w, seen: map[string]*memory{}}
		group.Go(func() { every(ctx, time.Millisecond, func() { reader.burst(10) }) })
	}
	group.Go(func() {
		every(ctx, 2*time.Millisecond, func() { w.store.disturb(w.names) })
		w.store.endFaults()
	})
	group.Go(func() { every(ctx, 5*time.Millisecond, w.forget) })
	group.Wait()
	w.waitForRecovery(t)
	w.report(t)
	require.NoError(t, w.cache.Close())
	_, err := w.cache.Get(t.Context(), hush.Name(w.names[0]))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "closed")
}

// every calls do repeatedly until ctx ends.
func every(ctx context.Context, d time.Duration, do func()) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			do()
		case <-ctx.Done():
			return
		}
	}
}

func (w *world) forget() {
	names := []string{w.names[rand.N(len(w.names))]}
	start := time.Now()
	if rand.N(20) == 0 {
		names = w.names
		w.cache.Forget()
	} else {
		w.cache.Forget(hush.Name(names[0]))
	}
	w.forgets.Add(1)
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for _, name := range names {
		w.store.keys[name].forgotten = start
		w.store.keys[name].forgets++
	}
}

// waitForRecovery waits until each read returns the current version.
func (w *world) waitForRecovery(t *testing.T) {
	t.Helper()
	for name, k := range w.store.keys {
		assert.Eventually(t, func() bool {
			secret, err := w.cache.Get(t.Context(), hush.Name(name).Fresh())
			w.reads.Add(1)
			return err == nil && secret.Version == w.store.version(k)
		}, busy, time.Millisecond, "%s cannot be read after the faults", name)
	}
}

func (w *world) report(t *testing.T) {
	t.Helper()
	s := w.cache.Stats()
	assert.LessOrEqual(t, s.Hits+s.Stale+s.Misses, w.reads.Load(), "more results than reads: %+v", s)
	assert.GreaterOrEqual(t, s.Hits+s.Stale+s.Misses, w.reads.Load()-w.canceled.Load(), "reads without a count: %+v", s)
	assert.Positive(t, s.Hits)
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	t.Logf("%d reads: %d stale, %d by a fallback, %d failed, %d canceled; %d calls of links, %d fetches, %d forgotten, %d evicted, %d rotations",
		w.reads.Load(), w.stale.Load(), w.fallback.Load(), w.failed.Load(), w.canceled.Load(),
		len(w.store.calls), s.Fetches, w.forgets.Load(), s.Evictions, s.Rotations)
	for _, fault := range w.store.failures {
		t.Error(fault)
	}
}

// A reader remembers what it has seen.
type reader struct {
	*world
	seen map[string]*memory
}

func (r *reader) burst(n int) {
	name := r.names[rand.N(len(r.names))]
	for range n {
		r.read(name)
	}
}

func (r *reader) read(name string) {
	seen := r.seen[name]
	if seen == nil {
		seen = &memory{}
		r.seen[name] = seen
	}
	ctx, get, ref := context.Background(), r.cache.Get, hush.Name(name)
	switch rand.N(20) {
	case 0:
		ref = ref.Fresh()
	case 1:
		ref = ref.NewerThan(seen.secret)
	case 2, 3:
		limited, cancel := context.WithTimeout(ctx, rand.N(3*time.Millisecond))
		defer cancel()
		ctx = limited
	case 4, 5, 6, 7, 8:
		get = func(ctx context.Context, _ hush.Ref) (hush.Secret, error) { return r.handles[name].Get(ctx) }
	}
	started := r.store.startRead(ref)
	secret, err := get(ctx, ref)
	r.count(secret, err)
	if r.store.checkCanceled(ctx, started, err) {
		r.canceled.Add(1)
		return
	}
	c := r.store.check(started, secret, err)
	if c != nil && c.link != "spare" && !r.evicts {
		r.store.checkBackwards(started, seen, secret, c)
	}
}

func (w *world) count(secret hush.Secret, err error) {
	w.reads.Add(1)
	switch {
	case err != nil:
		w.failed.Add(1)
	case secret.Stale:
		w.stale.Add(1)
	case secret.FromFallback:
		w.fallback.Add(1)
	}
}

// version returns the version that is current.
func (s *store) version(k *key) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint("v", k.current)
}
