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

func TestForgetDuringAStaleWaitMakesTheGetWait(t *testing.T) {
	for name, ref := range map[string]hush.Ref{"plain": db, "fresh": db.Fresh()} {
		t.Run(name, func(t *testing.T) {
			withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				isStale(t, c)
				time.Sleep(ttl)
				m.Put("db", []byte("two"))
				m.Script(step{Delay: time.Second})
				var wg sync.WaitGroup
				wg.Go(func() { getText(t, c, ref) })
				synctest.Wait()
				wg.Go(func() { assert.Equal(t, "two", getText(t, c, db)) })
				synctest.Wait()
				c.Forget(db)
				wg.Wait()
			})
		})
	}
}

func TestTheResultOfAForgottenFetchIsNotCached(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { getText(t, c, db) })
		synctest.Wait()
		c.Forget(db)
		wg.Wait()
		getText(t, c, db)
		assert.Equal(t, []bool{false, true}, freshCalls(m))
	})
}

func TestForgetStaysInForceDuringAnOutage(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for _, failed := range []step{{Err: hush.ErrUnavailable}, {Err: hush.ErrThrottled}, fallbackStep("spare")} {
			getText(t, c, db)
			c.Forget(db)
			m.Script(failed)
			_, _ = c.Get(t.Context(), db)
			time.Sleep(time.Second)
			before := len(m.Calls())
			getText(t, c, db)
			assert.Equal(t, []bool{true}, freshCalls(m)[before:], "fetches stay fresh")
			time.Sleep(ttl)
			getText(t, c, db)
			assert.Equal(t, []bool{true, false}, freshCalls(m)[before:])
		}
	})
}

func TestForgetOfUnknownNamesEvictsNothing(t *testing.T) {
	withCache(t, &cachettl.Options{MaxEntries: 10}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for i := range 10 {
			name := fmt.Sprint("s", i)
			m.Put(name, []byte(name))
			getText(t, c, hush.Name(name))
		}
		for i := range 50 {
			c.Forget(hush.Name(fmt.Sprint("unknown", i)))
		}
		assert.Equal(t, 10, c.Stats().Entries)
		assert.Zero(t, c.Stats().Evictions)
		assert.Equal(t, 20, c.Size(), "10 entries and 10 forgotten keys")
		before := len(m.Calls())
		_, err := c.Get(t.Context(), hush.Name("unknown49"))
		require.ErrorIs(t, err, hush.ErrNotFound)
		assert.Equal(t, []bool{true}, freshCalls(m)[before:])
	})
}

func TestAHandleFailsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{})
		c := cachettl.New(hush.ProviderFunc(func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
			close(asked)
			<-ctx.Done()
			return hush.Secret{Value: hush.NewValue([]byte("late"))}, nil // ignores the end of ctx
		}), ttl, nil)
		handle := c.Handle(db)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = handle.Get(t.Context()) })
		<-asked
		require.NoError(t, c.Close())
		wg.Wait()
		_, err := handle.Get(t.Context())
		assert.ErrorContains(t, err, "cache closed")
	})
}

func TestUnauthenticatedRefreshesBackOff(t *testing.T) {
	withCache(t, &cachettl.Options{RefreshAhead: 30 * time.Second}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		getText(t, c, db)
		time.Sleep(ttl / 2)
		defer m.Always(step{Err: hush.ErrUnauthenticated})()
		for range 1000 {
			getText(t, c, db)
			time.Sleep(10 * time.Millisecond)
		}
		assert.Less(t, len(m.Calls()), 20)
	})
}

// A Get whose stale secret is forgotten waits for the fetch, also if it is a fresh one
// without a result.
func TestForgetDuringAStaleWaitForAFreshFetch(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Put("db", []byte("two"))
		m.Script(step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { assert.Equal(t, "two", getText(t, c, db.Fresh())) })
		synctest.Wait()
		start := time.Now()
		wg.Go(func() {
			assert.Equal(t, "two", getText(t, c, db))
			assert.Equal(t, time.Second, time.Since(start))
		})
		synctest.Wait()
		c.Forget(db)
		wg.Wait()
		assert.Len(t, m.Calls(), 2)
	})
}

func TestForget(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Put("other", []byte("x"))
		getText(t, c, db)
		getText(t, c, hush.Name("other"))
		c.Forget(hush.Ref{Name: "db", Field: "f", Stage: hush.CurrentStage}, hush.Ref{})
		getText(t, c, db)
		getText(t, c, db)
		getText(t, c, hush.Name("other"))
		assert.Equal(t, []bool{false, false, true}, freshCalls(m), "the first fetch after Forget is fresh")
		c.Forget()
		m.Script(step{Err: hush.ErrUnsupported})
		getText(t, c, db)
		getText(t, c, hush.Name("other"))
		assert.Equal(t, []bool{false, false, true, true, false, true}, freshCalls(m), "a plain fetch follows if fresh is unsupported")
	})
}

func TestForgetDuringAFetch(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		old := versionStep("v0", 0)
		old.Delay = time.Second
		m.Script(old, step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { assert.Equal(t, "value of v0", getText(t, c, db), "a waiting Get returns the result") })
		synctest.Wait()
		c.Forget(db)
		for range 10 {
			wg.Go(func() { assert.Equal(t, "one", getText(t, c, db), "a later Get does not") })
		}
		wg.Wait()
		assert.Equal(t, []bool{false, true}, freshCalls(m))
	})
}

func TestForgetOfAnUncachedSecretMakesItsFirstFetchFresh(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		c.Forget(db)
		getText(t, c, db)
		assert.Equal(t, []bool{true}, freshCalls(m))
	})
}
