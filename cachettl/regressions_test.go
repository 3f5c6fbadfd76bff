package cachettl_test

import (
	"context"
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

func TestAWaitPastTheStaleLimitReturnsNoStaleSecret(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Second, StaleWait: 4 * time.Second}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl + 900*time.Millisecond)
		defer m.Always(step{Delay: time.Hour})()
		assert.Equal(t, hush.ErrUnavailable, getClass(t, c, db))
	})
	clocks, opts := fakeClocks()
	opts.StaleIfError = time.Minute
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		clocks.Move(ttl, ttl)
		m.Script(step{Delay: time.Hour})
		var wg sync.WaitGroup
		wg.Go(func() { assert.False(t, isStale(t, c), "fetched again after ten hours") })
		synctest.Wait()
		clocks.Move(10*time.Hour, 0)
		wg.Wait()
		assert.Len(t, m.Calls(), 3)
	})
}

func TestALeaseIsNotServedPastItsEndDuringAWait(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Secret: &hush.Secret{Value: hush.NewValue([]byte("lease")), Expires: time.Now().Add(ttl + 50*time.Millisecond)}})
		getText(t, c, db)
		time.Sleep(ttl + 10*time.Millisecond)
		m.Script(step{Delay: time.Second})
		assert.Equal(t, "one", getText(t, c, db))
	})
}

func TestTheTTLFunctionMayCallTheCache(t *testing.T) {
	var c *cachettl.Cache
	opts := &cachettl.Options{TTL: func(hush.Ref, hush.Secret) time.Duration {
		c.Stats()
		return time.Hour
	}}
	c = cachettl.New(hush.Static(map[string]string{"db": "one"}), ttl, opts)
	assert.Equal(t, "one", getText(t, c, db))

	opts.TTL = func(hush.Ref, hush.Secret) time.Duration { panic("canary") }
	_, err := cachettl.New(hush.Static(map[string]string{"db": "one"}), ttl, opts).Get(t.Context(), db)
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.Empty(t, providertest.Leaks(err, "canary"))
}

func TestUnsupportedFreshGetsDoNotStarveAPlainGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cachettl.New(hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
			time.Sleep(10 * time.Millisecond)
			if _, fresh := ref.Freshness(); fresh {
				return hush.Secret{}, hush.ErrUnsupported
			}
			return hush.Secret{Value: hush.NewValue([]byte("one"))}, nil
		}), 0, nil)
		defer func() { assert.NoError(t, c.Close()) }()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for ctx.Err() == nil {
					_, err := c.Get(ctx, db.Fresh())
					assert.Error(t, err)
				}
			})
		}
		time.Sleep(15 * time.Millisecond)
		hurry, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err := c.Get(hurry, db)
		assert.NoError(t, err)
		cancel()
		wg.Wait()
	})
}

func TestALeaseIsRefreshedAfterAnotherFetchFailed(t *testing.T) {
	lease := func() step {
		return step{Secret: &hush.Secret{Value: hush.NewValue([]byte("lease")), Expires: time.Now().Add(30 * time.Second)}}
	}
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(lease(), step{Delay: time.Second, Err: hush.ErrUnsupported})
		getText(t, c, db)
		time.Sleep(20 * time.Second)
		var wg sync.WaitGroup
		wg.Go(func() { getClass(t, c, db.Fresh()) })
		synctest.Wait()
		assert.Equal(t, "lease", getText(t, c, db))
		wg.Wait()
		m.Script(lease())
		assert.Equal(t, "lease", getText(t, c, db))
		synctest.Wait()
		assert.Equal(t, []bool{false, true, false}, freshCalls(m))
	})
	clocks, opts := fakeClocks()
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Secret: &hush.Secret{
			Value: hush.NewValue([]byte("lease")), Expires: clocks.Now().Time().Add(30 * time.Second),
		}}, step{Delay: time.Hour})
		getText(t, c, db)
		clocks.Move(20*time.Second, 20*time.Second)
		assert.Equal(t, "lease", getText(t, c, db))
		synctest.Wait()
		assert.Len(t, m.Calls(), 2, "a refresh runs in the background")
		clocks.Move(6*time.Second, 0) // a freeze interrupts it
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, "lease", getText(t, c, db))
		synctest.Wait()
		assert.Len(t, m.Calls(), 3, "the refresh starts again")
	})
}

func TestAFallbackReplacesNoSecretWithinStaleWhileRevalidate(t *testing.T) {
	withCache(t, &cachettl.Options{StaleWhileRevalidate: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		defer m.Always(fallbackStep("spare"))()
		for range 3 {
			assert.True(t, isStale(t, c))
			synctest.Wait()
		}
	})
}

func TestCloseStartsNoPendingFetch(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Hour})
		var wg sync.WaitGroup
		for _, ref := range []hush.Ref{db, db.Fresh()} {
			wg.Go(func() {
				_, err := c.Get(t.Context(), ref)
				assert.ErrorContains(t, err, "cache closed")
			})
			synctest.Wait()
		}
		require.NoError(t, c.Close())
		wg.Wait()
		assert.Len(t, m.Calls(), 1, "the pending fetch does not start")
	})
}

func TestOnStaleIsCalledWhenAGetReturnsAStaleSecret(t *testing.T) {
	calls := 0
	opts := &cachettl.Options{StaleIfError: time.Hour, OnStale: func(hush.Ref, hush.Secret, error) { calls++ }}
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		defer m.Always(step{Err: hush.ErrUnavailable})()
		getClass(t, c, db.Fresh())
		synctest.Wait()
		assert.Zero(t, calls, "no Get returned a stale secret")
		time.Sleep(time.Second)
		for range 3 {
			assert.True(t, isStale(t, c))
		}
		synctest.Wait()
		assert.Equal(t, 1, calls)
	})
}

func TestOnStaleIsCalledOnceForASlowStore(t *testing.T) {
	calls := 0
	opts := &cachettl.Options{StaleIfError: time.Hour, OnStale: func(hush.Ref, hush.Secret, error) { calls++ }}
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Script(step{Delay: time.Second})
		for range 3 {
			assert.True(t, isStale(t, c))
		}
		assert.Equal(t, 1, calls)
	})
}

func TestNegativeDurationsTurnFeaturesOff(t *testing.T) {
	opts := &cachettl.Options{StaleIfError: -time.Hour, StaleWhileRevalidate: -time.Hour, RefreshAhead: -time.Hour, NegativeTTL: -time.Hour}
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl - time.Nanosecond)
		assert.False(t, isStale(t, c))
		assert.Len(t, m.Calls(), 1)
		time.Sleep(time.Nanosecond)
		m.Deny("db")
		assert.Equal(t, hush.ErrDenied, getClass(t, c, db))
	})
}

func TestForgetMakesTwoFreshFetchesIfAllReturnAFallback(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		c.Forget(db)
		m.Script(fallbackStep("spare"), fallbackStep("spare")) // as from a chain whose store is Unsupported
		for range 2 {
			assert.Equal(t, "spare", getText(t, c, db))
			time.Sleep(time.Second)
		}
		assert.Equal(t, "one", getText(t, c, db))
		assert.Equal(t, []bool{true, true, false}, freshCalls(m))
	})
}

func TestAnOlderFallbackIsNotConfirmed(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		older := versionStep("v1", 1)
		older.Secret.FromFallback = true
		m.Script(versionStep("v2", 2), older)
		getText(t, c, db)
		time.Sleep(ttl)
		assert.Equal(t, "value of v1", getText(t, c, db))
		assert.Len(t, m.Calls(), 2)
	})
}

func TestExpiredSecretsAreFetchedInOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches int
		next := &batchMap{Map: &providertest.Map{}, onBatch: func() { batches++ }}
		refs := []hush.Ref{hush.Name("a"), hush.Name("b"), hush.Name("c")}
		for _, ref := range refs {
			next.Put(ref.Name, []byte(ref.Name))
		}
		c := cachettl.New(next, ttl, &cachettl.Options{StaleIfError: time.Hour})
		defer func() { assert.NoError(t, c.Close()) }()
		for want := 1; want <= 3; want++ {
			require.NoError(t, hush.Errors(hush.GetAll(t.Context(), c, refs...)))
			assert.Equal(t, want, batches)
			assert.Len(t, next.Calls(), want*len(refs))
			time.Sleep(ttl)
		}
	})
}

func TestFreshRefsAndRefreshesAreBatched(t *testing.T) {
	opts := &cachettl.Options{RefreshAhead: 20 * time.Second, Jitter: -1}
	withBatcher(t, opts, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		refs := []hush.Ref{hush.Name("one"), hush.Name("two")}
		c.GetBatch(t.Context(), []hush.Ref{refs[0].Fresh(), refs[1].Fresh()})
		time.Sleep(45 * time.Second)
		begun := time.Now()
		require.NoError(t, hush.Errors(c.GetBatch(t.Context(), refs)))
		assert.Zero(t, time.Since(begun), "the refresh runs in the background")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"fresh:one fresh:two", "one two"}, b.batches)
	})
}

// A batchMap is a Map with GetBatch.
type batchMap struct {
	*providertest.Map
	onBatch func()
}

func (b *batchMap) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	b.onBatch()
	results := make([]hush.Result, len(refs))
	for i, ref := range refs {
		results[i].Secret, results[i].Err = b.Get(ctx, ref)
	}
	return results
}
