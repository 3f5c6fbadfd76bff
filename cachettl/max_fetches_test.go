package cachettl_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// A slowStore is a store whose calls take a second. It counts the concurrent calls.
type slowStore struct {
	mu        sync.Mutex
	now, most int
	calls     []string
}

func (g *slowStore) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	g.enter(ref)
	defer g.leave()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return hush.Secret{}, ctx.Err()
	}
	return hush.Secret{Value: hush.NewValue([]byte(ref.Name))}, nil
}

func (g *slowStore) enter(refs ...hush.Ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.most = max(g.most, g.now)
	for _, ref := range refs {
		g.calls = append(g.calls, ref.Name)
	}
}

func (g *slowStore) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

// A slowBatchStore takes batches, each in one call.
type slowBatchStore struct{ slowStore }

func (g *slowBatchStore) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	g.enter(refs...)
	defer g.leave()
	results := make([]hush.Result, len(refs))
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	for i, ref := range refs {
		results[i].Secret = hush.Secret{Value: hush.NewValue([]byte(ref.Name))}
	}
	return results
}

func withStore(t *testing.T, next hush.Provider, opts cachettl.Options, test func(t *testing.T, c *cachettl.Cache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := cachettl.New(next, ttl, &opts)
		defer func() { assert.NoError(t, c.Close()) }()
		test(t, c)
	})
}

func numberedRefs(n int) (refs []hush.Ref) {
	for i := range n {
		refs = append(refs, hush.Name(fmt.Sprint("name ", i)))
	}
	return refs
}

func TestMaxFetches(t *testing.T) {
	for limit, want := range map[int]int{0: 64, 3: 3, -1: 150} {
		g := &slowStore{}
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			withStore(t, g, cachettl.Options{MaxFetches: limit, FetchTimeout: time.Hour}, func(t *testing.T, c *cachettl.Cache) {
				var all sync.WaitGroup
				for _, ref := range numberedRefs(150) {
					all.Go(func() { assert.Equal(t, ref.Name, getText(t, c, ref)) })
				}
				all.Wait()
				assert.Equal(t, want, g.most)
				assert.Len(t, g.calls, 150)
			})
		})
	}
}

func TestHitsDoNotWaitForOtherFetches(t *testing.T) {
	g := &slowStore{}
	withStore(t, g, cachettl.Options{MaxFetches: 1}, func(t *testing.T, c *cachettl.Cache) {
		getText(t, c, db)
		var other sync.WaitGroup
		other.Go(func() { getText(t, c, hush.Name("other")) })
		synctest.Wait()
		start := time.Now()
		getText(t, c, db)
		assert.Zero(t, time.Since(start))
		other.Wait()
	})
}

// The wait for MaxFetches is a part of FetchTimeout.
func TestAFetchFailsIfItCannotStartInTime(t *testing.T) {
	g := &slowStore{}
	withStore(t, g, cachettl.Options{MaxFetches: 1, FetchTimeout: 1500 * time.Millisecond}, func(t *testing.T, c *cachettl.Cache) {
		var all sync.WaitGroup
		for i, ref := range numberedRefs(3) {
			all.Go(func() {
				if class := getClass(t, c, ref); i == 0 {
					assert.Zero(t, class)
				} else {
					assert.Equal(t, hush.ErrUnavailable, class)
				}
			})
			synctest.Wait()
		}
		start := time.Now()
		all.Wait()
		assert.Equal(t, 1500*time.Millisecond, time.Since(start))
	})
	semaphore := cachettl.NewSemaphore(1)
	ctx, cancel := context.WithCancelCause(t.Context())
	end, err := semaphore.Acquire(ctx)
	require.NoError(t, err)
	cancel(assert.AnError)
	_, err = semaphore.Acquire(ctx)
	require.ErrorContains(t, err, assert.AnError.Error())
	require.ErrorContains(t, err, "while 1 other fetches were in flight, which is the limit")
	end()
	end, err = semaphore.Acquire(t.Context())
	require.NoError(t, err)
	end()
}

// Clients that request unknown names and hang up cause no calls.
func TestAWaitingFetchIsDroppedAfterItsLastGet(t *testing.T) {
	g := &slowStore{}
	withStore(t, g, cachettl.Options{MaxFetches: 1}, func(t *testing.T, c *cachettl.Cache) {
		var all sync.WaitGroup
		all.Go(func() { getText(t, c, db) })
		synctest.Wait()
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for _, ref := range numberedRefs(1000) {
			all.Go(func() {
				_, err := c.Get(impatient, ref)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		all.Go(func() {
			_, err := c.Get(impatient, hush.Name("shared"))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		all.Go(func() { assert.Equal(t, "shared", getText(t, c, hush.Name("shared"))) })
		start := time.Now()
		all.Wait()
		assert.Equal(t, 2*time.Second, time.Since(start), "one call after the first")
		assert.Equal(t, []string{"db", "shared"}, g.calls)
		assert.EqualValues(t, 2, c.Stats().Fetches)
		assert.Equal(t, 2, c.Size(), "and no entries")
	})
}

// The refresh of a secret that the cache holds is not dropped: with a short
// StaleWait it would never start.
func TestAWaitingRefreshIsNotDropped(t *testing.T) {
	g := &slowStore{}
	withStore(t, g, cachettl.Options{MaxFetches: 1, StaleIfError: time.Hour, Jitter: -1}, func(t *testing.T, c *cachettl.Cache) {
		getText(t, c, db)
		time.Sleep(ttl)
		var other sync.WaitGroup
		other.Go(func() { getText(t, c, hush.Name("other")) })
		synctest.Wait()
		secret, err := c.Get(t.Context(), db)
		assert.NoError(t, err)
		assert.True(t, secret.Stale)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"db", "other", "db"}, g.calls)
		other.Wait()
	})
}

// A pending fresh fetch that no Get waits for does not start.
func TestAPendingFetchIsDroppedAfterItsLastGet(t *testing.T) {
	g := &slowStore{}
	withStore(t, g, cachettl.Options{}, func(t *testing.T, c *cachettl.Cache) {
		var all sync.WaitGroup
		all.Go(func() { getText(t, c, db) })
		synctest.Wait()
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := c.Get(impatient, db.Fresh())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		all.Wait()
		time.Sleep(time.Minute)
		assert.Len(t, g.calls, 1)
	})
}

func TestABatchCountsAsOneFetch(t *testing.T) {
	g := &slowBatchStore{}
	withStore(t, g, cachettl.Options{MaxFetches: 2}, func(t *testing.T, c *cachettl.Cache) {
		start := time.Now()
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for _, r := range c.GetBatch(t.Context(), numberedRefs(80)[20*i:20*(i+1)]) {
					assert.NoError(t, r.Err)
				}
			})
		}
		all.Wait()
		assert.Equal(t, 2*time.Second, time.Since(start))
		assert.Equal(t, 2, g.most)
		assert.Len(t, g.calls, 80)
	})
	g = &slowBatchStore{}
	withStore(t, g, cachettl.Options{MaxFetches: 1}, func(t *testing.T, c *cachettl.Cache) {
		var all sync.WaitGroup
		all.Go(func() { getText(t, c, db) })
		synctest.Wait()
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for _, r := range c.GetBatch(impatient, numberedRefs(20)) {
			assert.ErrorIs(t, r.Err, context.DeadlineExceeded)
		}
		all.Wait()
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"db"}, g.calls, "a batch that no Get waits for is dropped")
		assert.Equal(t, 1, c.Size())
	})
}

// A call that ignores its context counts for MaxFetches only until FetchTimeout.
func TestAProviderThatIgnoresItsContextBlocksNoOtherFetch(t *testing.T) {
	var m providertest.Map
	m.Put("other", []byte("x"))
	wake := make(chan struct{})
	next := hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		if ref.Name == "ignores" {
			<-wake
		}
		return m.Get(ctx, ref)
	})
	synctest.Test(t, func(t *testing.T) {
		wake = make(chan struct{})
		c := cachettl.New(next, ttl, &cachettl.Options{MaxFetches: 1})
		assert.Equal(t, hush.ErrUnavailable, getClass(t, c, hush.Name("ignores")))
		assert.Equal(t, "x", getText(t, c, hush.Name("other")))
		assert.NoError(t, c.Close())
		close(wake)
	})
}
