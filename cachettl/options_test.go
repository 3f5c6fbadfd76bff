package cachettl_test

import (
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

func TestCallbacks(t *testing.T) {
	var mu sync.Mutex
	var rotations, stales []string
	opts := &cachettl.Options{
		StaleIfError: time.Hour,
		OnRotate: func(ref hush.Ref, old, current hush.Secret) {
			mu.Lock()
			defer mu.Unlock()
			rotations = append(rotations, ref.Name+" "+old.Version+" "+current.Version)
		},
		OnStale: func(ref hush.Ref, secret hush.Secret, why error) {
			mu.Lock()
			defer mu.Unlock()
			stales = append(stales, ref.Name+" "+hush.ClassOf(why).Error())
		},
	}
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		getText(t, c, db)
		getText(t, c, db.Fresh())
		assert.Empty(t, rotations)
		m.Put("db", []byte("two"))
		getText(t, c, db.Fresh())
		getText(t, c, db.Fresh())
		synctest.Wait()
		assert.Equal(t, []string{"db v1 v2"}, rotations, "once for each rotation")
		for range 2 {
			time.Sleep(ttl)
			restore := m.Always(step{Err: hush.ErrThrottled})
			for range 5 {
				getText(t, c, db)
				time.Sleep(time.Second)
			}
			restore()
			getText(t, c, db)
		}
		synctest.Wait()
		assert.Equal(t, []string{"db throttled", "db throttled"}, stales, "once for each outage")
		assert.Equal(t, []string{"db v1 v2"}, rotations)
	})
}

// After a failed login, a Get waits for the next fetch. If the store is then unavailable,
// the fetch leaves the stale secret to the Gets that waited for it.
func TestGetBatchCallsOnStaleAfterAFailedLogin(t *testing.T) {
	reports := make(chan string, 4)
	onStale := func(ref hush.Ref, _ hush.Secret, why error) { reports <- ref.Name + " " + hush.ClassOf(why).Error() }
	opts := &cachettl.Options{StaleIfError: time.Hour, StaleWait: 3 * time.Second, Jitter: -1, OnStale: onStale}
	withBatcher(t, opts, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		requireSecrets(t, c.GetBatch(t.Context(), userRefs("one two")), "one two")
		time.Sleep(time.Minute)
		restore := b.Always(step{Err: hush.ErrUnauthenticated})
		for _, r := range c.GetBatch(t.Context(), userRefs("one two")) {
			assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(r.Err))
		}
		restore()
		time.Sleep(time.Second)
		defer b.Always(step{Err: hush.ErrUnavailable})()
		for _, r := range c.GetBatch(t.Context(), userRefs("one two")) {
			assert.True(t, r.Secret.Stale)
		}
		require.Len(t, reports, 2)
		assert.ElementsMatch(t, []string{"one unavailable", "two unavailable"}, []string{<-reports, <-reports})
	})
}

func TestTTLPerSecret(t *testing.T) {
	opts := &cachettl.Options{TTL: func(ref hush.Ref, s hush.Secret) time.Duration {
		return map[string]time.Duration{"long": 2 * ttl, "never": -1}[ref.Name]
	}}
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for name, calls := range map[string]int{"db": 2, "long": 1, "never": 3} {
			m.Put(name, []byte(name))
			before := len(m.Calls())
			getText(t, c, hush.Name(name))
			getText(t, c, hush.Name(name))
			time.Sleep(ttl)
			getText(t, c, hush.Name(name))
			assert.Len(t, m.Calls(), before+calls, name)
		}
	})
}

func TestJitterShortensTheTTLByATenth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put("db", []byte("one"))
		ends := map[time.Duration]bool{}
		for range 50 {
			c := cachettl.New(&m, ttl, nil)
			start := time.Now()
			before := len(m.Calls())
			for getText(t, c, db); len(m.Calls()) == before+1; getText(t, c, db) {
				time.Sleep(100 * time.Millisecond)
			}
			end := time.Since(start)
			assert.GreaterOrEqual(t, end, ttl*9/10)
			assert.LessOrEqual(t, end, ttl)
			ends[end] = true
			require.NoError(t, c.Close())
		}
		assert.Greater(t, len(ends), 5, "the TTLs differ")
	})
}

func TestStats(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour, MaxEntries: 1, CountHits: true}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for range 3 {
			getText(t, c, db)
		}
		m.Put("other", []byte("x"))
		m.Put("db", []byte("two"))
		getText(t, c, hush.Name("other"))
		getText(t, c, db)
		getClass(t, c, hush.Name("nope"))
		time.Sleep(ttl + time.Second)
		m.Script(step{Err: hush.ErrThrottled})
		getText(t, c, db)
		getText(t, c, db)
		assert.Equal(t, cachettl.Stats{
			Hits: 2, Misses: 4, Stale: 2, Fetches: 5, Evictions: 2, Entries: 1,
			Failures: map[hush.Class]uint64{hush.ErrNotFound: 1, hush.ErrThrottled: 1},
		}, c.Stats())
	})
}

func TestHitsAreCountedOnlyOnRequest(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, _ *providertest.Map) {
		for range 3 {
			getText(t, c, db)
		}
		stats := c.Stats()
		assert.Zero(t, stats.Hits)
		assert.EqualValues(t, 1, stats.Misses)
	})
}

func TestNegativeTTL(t *testing.T) {
	nope := hush.Name("nope")
	withCache(t, &cachettl.Options{NegativeTTL: time.Second}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for range 3 {
			assert.Equal(t, hush.ErrNotFound, getClass(t, c, nope))
			assert.Equal(t, hush.ErrNotFound, getClass(t, c, hush.Ref{Name: "nope", Field: "f"}))
		}
		assert.Len(t, m.Calls(), 1)
		assert.Equal(t, hush.ErrNotFound, getClass(t, c, nope.Fresh()))
		assert.Len(t, m.Calls(), 2, "a fresh Get calls the store")
		m.Put("nope", []byte("now"))
		time.Sleep(time.Second)
		assert.Equal(t, "now", getText(t, c, nope))

		m.Deny("nope")
		time.Sleep(ttl)
		before := len(m.Calls())
		getClass(t, c, nope)
		getClass(t, c, nope)
		assert.Len(t, m.Calls(), before+2, "only ErrNotFound is cached")
	})
}
