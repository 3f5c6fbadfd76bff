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

func TestAWaitThatOutlivesTheBoundServesNothingStale(t *testing.T) {
	bubble(t, &cachettl.Options{StaleIfError: time.Second, StaleWait: 4 * time.Second}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		stale(t, c)
		time.Sleep(ttl + 900*time.Millisecond)
		defer m.Always(step{Delay: time.Hour})()
		assert.Equal(t, hush.ErrUnavailable, failure(t, c, db))
	})
	h, o := twoClocks()
	o.StaleIfError = time.Minute
	bubble(t, o, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		stale(t, c)
		h.Move(ttl, ttl)
		m.Script(step{Delay: time.Hour})
		var wg sync.WaitGroup
		wg.Go(func() { assert.False(t, stale(t, c), "frozen for ten hours while it waited: asked again") })
		synctest.Wait()
		h.Move(10*time.Hour, 0)
		wg.Wait()
		assert.Len(t, m.Calls(), 3)
	})
}

func TestALeaseIsNotServedPastItsEndDuringAWait(t *testing.T) {
	bubble(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Secret: &hush.Secret{Value: hush.NewValue([]byte("lease")), Expires: time.Now().Add(ttl + 50*time.Millisecond)}})
		reveal(t, c, db)
		time.Sleep(ttl + 10*time.Millisecond)
		m.Script(step{Delay: time.Second})
		assert.Equal(t, "one", reveal(t, c, db))
	})
}

func TestTheTTLFuncMayUseTheCache(t *testing.T) {
	var c *cachettl.Cache
	o := &cachettl.Options{TTL: func(hush.Ref, hush.Secret) time.Duration {
		c.Stats()
		return time.Hour
	}}
	c = cachettl.New(hush.Static(map[string]string{"db": "one"}), ttl, o)
	assert.Equal(t, "one", reveal(t, c, db))

	o.TTL = func(hush.Ref, hush.Secret) time.Duration { panic("canary") }
	_, err := cachettl.New(hush.Static(map[string]string{"db": "one"}), ttl, o).Get(t.Context(), db)
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.Empty(t, providertest.Leaks(err, "canary"))
}

func TestFreshReadsThatCannotBeDoNotStarveAPlainOne(t *testing.T) {
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

func TestALeaseIsRenewedThoughAnotherFetchWasInTheWay(t *testing.T) {
	lease := func() step {
		return step{Secret: &hush.Secret{Value: hush.NewValue([]byte("lease")), Expires: time.Now().Add(30 * time.Second)}}
	}
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(lease(), step{Delay: time.Second, Err: hush.ErrUnsupported})
		reveal(t, c, db)
		time.Sleep(20 * time.Second)
		var wg sync.WaitGroup
		wg.Go(func() { failure(t, c, db.Fresh()) })
		synctest.Wait()
		assert.Equal(t, "lease", reveal(t, c, db))
		wg.Wait()
		m.Script(lease())
		assert.Equal(t, "lease", reveal(t, c, db))
		synctest.Wait()
		assert.Equal(t, []bool{false, true, false}, fresh(m))
	})
	h, o := twoClocks()
	bubble(t, o, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Secret: &hush.Secret{
			Value: hush.NewValue([]byte("lease")), Expires: h.Now().Time().Add(30 * time.Second),
		}}, step{Delay: time.Hour})
		reveal(t, c, db)
		h.Move(20*time.Second, 20*time.Second)
		assert.Equal(t, "lease", reveal(t, c, db))
		synctest.Wait()
		assert.Len(t, m.Calls(), 2, "a renewal runs behind")
		h.Move(6*time.Second, 0) // and a freeze cuts it off
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, "lease", reveal(t, c, db))
		synctest.Wait()
		assert.Len(t, m.Calls(), 3, "it is made again")
	})
}

func TestAFallbackReplacesNothingWithinStaleWhileRevalidate(t *testing.T) {
	bubble(t, &cachettl.Options{StaleWhileRevalidate: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		stale(t, c)
		time.Sleep(ttl)
		defer m.Always(fallback("spare"))()
		for range 3 {
			assert.True(t, stale(t, c))
			synctest.Wait()
		}
	})
}

func TestCloseAsksNobodyAnything(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
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
		assert.Len(t, m.Calls(), 1, "the queued fetch does not start")
	})
}

func TestOnStaleIsForThoseWhoAreServed(t *testing.T) {
	said := 0
	o := &cachettl.Options{StaleIfError: time.Hour, OnStale: func(hush.Ref, hush.Secret, error) { said++ }}
	bubble(t, o, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		stale(t, c)
		time.Sleep(ttl)
		defer m.Always(step{Err: hush.ErrUnavailable})()
		failure(t, c, db.Fresh())
		synctest.Wait()
		assert.Zero(t, said, "nobody was served stale")
		time.Sleep(time.Second)
		for range 3 {
			assert.True(t, stale(t, c))
		}
		synctest.Wait()
		assert.Equal(t, 1, said)
	})
}

func TestOnStaleIsCalledOnceForASlowStore(t *testing.T) {
	calls := 0
	opts := &cachettl.Options{StaleIfError: time.Hour, OnStale: func(hush.Ref, hush.Secret, error) { calls++ }}
	bubble(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		stale(t, c)
		time.Sleep(ttl)
		m.Script(step{Delay: time.Second})
		for range 3 {
			assert.True(t, stale(t, c))
		}
		assert.Equal(t, 1, calls)
	})
}

func TestNegativeDurationsAreNone(t *testing.T) {
	o := &cachettl.Options{StaleIfError: -time.Hour, StaleWhileRevalidate: -time.Hour, RefreshAhead: -time.Hour, NegativeTTL: -time.Hour}
	bubble(t, o, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		stale(t, c)
		time.Sleep(ttl - time.Nanosecond)
		assert.False(t, stale(t, c))
		assert.Len(t, m.Calls(), 1)
		time.Sleep(time.Nanosecond)
		m.Deny("db")
		assert.Equal(t, hush.ErrDenied, failure(t, c, db))
	})
}

func TestAForgottenSecretWhoseStoreCannotBeAskedAfresh(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		c.Forget(db)
		m.Script(fallback("spare"), fallback("spare")) // as a chain answers while its store says Unsupported
		for range 2 {
			assert.Equal(t, "spare", reveal(t, c, db))
			time.Sleep(time.Second)
		}
		assert.Equal(t, "one", reveal(t, c, db))
		assert.Equal(t, []bool{true, true, false}, fresh(m))
	})
}

func TestAnOlderFallbackNeedsNoConfirmation(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		older := made("v1", 1)
		older.Secret.FromFallback = true
		m.Script(made("v2", 2), older)
		reveal(t, c, db)
		time.Sleep(ttl)
		assert.Equal(t, "value of v1", reveal(t, c, db))
		assert.Len(t, m.Calls(), 2)
	})
}

func TestABatchPastItsTTLIsStillABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches int
		next := &batching{Map: &providertest.Map{}, asked: func() { batches++ }}
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

// batching is a Map that is asked for several at once.
type batching struct {
	*providertest.Map
	asked func()
}

func (b *batching) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	b.asked()
	results := make([]hush.Result, len(refs))
	for i, ref := range refs {
		results[i].Secret, results[i].Err = b.Get(ctx, ref)
	}
	return results
}
