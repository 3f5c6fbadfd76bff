package cachettl_test

import (
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

// versionStep returns a version with the time of its creation.
func versionStep(version string, minute int) step {
	return step{Secret: &hush.Secret{
		Value: hush.NewValue([]byte("value of " + version)), Version: version,
		Created: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC), Source: "store",
	}}
}

func fallbackStep(text string) step {
	return step{Secret: &hush.Secret{Value: hush.NewValue([]byte(text)), Source: "env", FromFallback: true}}
}

// freshCalls reports for each call of m whether it was fresh.
func freshCalls(m *providertest.Map) (out []bool) {
	for _, ref := range m.Calls() {
		_, is := ref.Freshness()
		out = append(out, is)
	}
	return out
}

func TestFreshDoesNotJoinAnEarlierPlainFetch(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		old := versionStep("v0", 0)
		old.Delay = time.Second
		m.Script(old)
		var wg sync.WaitGroup
		wg.Go(func() { assert.Equal(t, "value of v0", getText(t, c, db)) })
		synctest.Wait()
		for range 50 {
			wg.Go(func() { assert.Equal(t, "one", getText(t, c, db.Fresh())) })
		}
		wg.Wait()
		assert.Equal(t, []bool{false, true}, freshCalls(m), "the waiting Gets share one fresh fetch")
		assert.Equal(t, "one", getText(t, c, db), "and its result is cached")
	})
}

func TestFreshDoesNotJoinAnEarlierFreshFetch(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second}, step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { getText(t, c, db.Fresh()) })
		synctest.Wait()
		wg.Go(func() { getText(t, c, db.Fresh()) })
		wg.Wait()
		assert.Equal(t, []bool{true, true}, freshCalls(m))
	})
}

func TestAPendingFreshFetchPrecedesLaterPlainGets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put("db", []byte("one"))
		defer m.Always(step{Delay: time.Second})()
		c := cachettl.New(&m, 0, nil)
		defer func() { assert.NoError(t, c.Close()) }()
		var wg sync.WaitGroup
		wg.Go(func() { getText(t, c, db) })
		synctest.Wait()
		start := time.Now()
		wg.Go(func() { getText(t, c, db.Fresh()) })
		synctest.Wait()
		time.Sleep(time.Second - 1)
		for range 20 {
			wg.Go(func() { getText(t, c, db) })
		}
		wg.Wait()
		assert.Equal(t, 2*time.Second, time.Since(start))
		assert.Equal(t, []bool{false, true}, freshCalls(&m))
	})
}

func TestAPlainGetRetriesAfterAnUnsupportedFreshFetch(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second, Err: hush.ErrUnsupported})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Get(t.Context(), db.Fresh())
			assert.Equal(t, hush.ErrUnsupported, hush.ClassOf(err))
		})
		synctest.Wait()
		wg.Go(func() { assert.Equal(t, "one", getText(t, c, db)) })
		wg.Wait()
		assert.Equal(t, []bool{true, false}, freshCalls(m))
	})
}

func TestNewerThan(t *testing.T) {
	v := func(version, value string, minute int) hush.Secret {
		s := *versionStep(version, minute).Secret
		s.Value = hush.NewValue([]byte(value))
		return s
	}
	cached := v("v2", `{"p":"cached"}`, 2)
	for name, tc := range map[string]struct {
		cached hush.Secret
		ref    hush.Ref
		than   hush.Secret
		hit    bool
	}{
		"the same version":           {cached: cached, than: v("v2", "x", 2)},
		"another version":            {cached: cached, than: v("v1", "x", 1), hit: true},
		"a newer version":            {cached: cached, than: v("v3", "x", 3)},
		"no versions, another value": {cached: v("", "a", 2), than: v("", "b", 2), hit: true},
		"no versions, the same":      {cached: v("", "a", 2), than: v("", "a", 2)},
		"the same field":             {cached: v("", `{"p":"a","q":1}`, 2), ref: hush.Ref{Name: "db", Field: "p"}, than: v("", "a", 2)},
		"another field":              {cached: v("", `{"p":"a","q":1}`, 2), ref: hush.Ref{Name: "db", Field: "p"}, than: v("", "b", 2), hit: true},
		"a fallback":                 {cached: hush.Secret{Value: hush.NewValue([]byte("f")), FromFallback: true}, than: v("v1", "x", 1)},
		"a stale secret":             {cached: hush.Secret{Value: hush.NewValue([]byte("f")), Stale: true}, than: v("v1", "x", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				if tc.ref.Name == "" {
					tc.ref = db
				}
				m.Put("db", []byte(`{"p":"new"}`))
				m.Script(step{Secret: &tc.cached})
				getText(t, c, db)
				_, err := c.Get(t.Context(), tc.ref.NewerThan(tc.than))
				require.NoError(t, err)
				if tc.hit {
					assert.Len(t, m.Calls(), 1)
				} else {
					assert.Equal(t, []bool{false, true}, freshCalls(m))
				}
			})
		})
	}
}

func TestNewerThanWaitsForTheRunningFetch(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		old := versionStep("v1", 1)
		newer := versionStep("v2", 2)
		newer.Delay = time.Second
		m.Script(old, newer)
		getText(t, c, db)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { assert.Equal(t, "value of v2", getText(t, c, db.NewerThan(*old.Secret))) })
		}
		wg.Wait()
		assert.Len(t, m.Calls(), 2, "a hundred callers make one call")
	})
}

func TestMinRefresh(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		than, err := c.Get(t.Context(), db)
		require.NoError(t, err)
		ask := func() string { return getText(t, c, db.NewerThan(than)) }
		ask()
		ask()
		assert.Len(t, m.Calls(), 2, "one fresh fetch that found nothing new is enough")
		time.Sleep(time.Second - 1)
		ask()
		assert.Len(t, m.Calls(), 2)
		time.Sleep(time.Nanosecond)
		m.Put("db", []byte("two"))
		assert.Equal(t, "two", ask())
		assert.Len(t, m.Calls(), 3)
	})
	withCache(t, &cachettl.Options{MinRefresh: -1}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		than, err := c.Get(t.Context(), db)
		require.NoError(t, err)
		for range 3 {
			getText(t, c, db.NewerThan(than))
		}
		assert.Len(t, m.Calls(), 4)
	})
}

func TestAnOlderVersionIsConfirmed(t *testing.T) {
	for name, tc := range map[string]struct {
		confirming step
		want       string // of this Get
		class      hush.Class
		then       string // of the next, within the TTL
	}{
		"the newer one is confirmed": {confirming: versionStep("v2", 2), want: "value of v2", then: "value of v2"},
		"a roll-back is confirmed":   {confirming: versionStep("v1", 1), want: "value of v1", then: "value of v1"},
		"fresh is unsupported":       {confirming: step{Err: hush.ErrUnsupported}, want: "value of v1", then: "value of v1"},
		"the secret is deleted":      {confirming: step{Err: hush.ErrNotFound}, class: hush.ErrNotFound},
		"the secret is denied":       {confirming: step{Err: hush.ErrDenied}, class: hush.ErrDenied},
		"the store is down":          {confirming: step{Err: hush.ErrThrottled}, class: hush.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				m.Script(versionStep("v2", 2), versionStep("v1", 1), tc.confirming, versionStep("v9", 9))
				assert.Equal(t, "value of v2", getText(t, c, db))
				time.Sleep(ttl)
				secret, err := c.Get(t.Context(), db)
				assert.Equal(t, tc.class, hush.ClassOf(err))
				assert.Equal(t, tc.want, secret.Value.Reveal())
				assert.Equal(t, []bool{false, false, true}, freshCalls(m))
				if tc.then == "" {
					tc.then = "value of v9"
				}
				assert.Equal(t, tc.then, getText(t, c, db))
			})
		})
	}
}

func TestAnOlderVersionFromAnotherLinkIsConfirmed(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Put("db", []byte("two"))
		direct, behind := versionStep("v2", 2), versionStep("v1", 1)
		direct.Secret.Source, behind.Secret.Source = "direct", "extension"
		m.Script(direct, behind, direct)
		assert.Equal(t, "value of v2", getText(t, c, db.Fresh()))
		time.Sleep(ttl)
		assert.Equal(t, "value of v2", getText(t, c, db))
	})
}

func TestAFreshGetMayReturnAnOlderVersion(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(versionStep("v2", 2), versionStep("v1", 1))
		getText(t, c, db)
		assert.Equal(t, "value of v1", getText(t, c, db.Fresh()))
		assert.Len(t, m.Calls(), 2, "a fresh result needs no confirmation")
		assert.Equal(t, "value of v1", getText(t, c, db))
	})
}

func TestAFallbackReplacesNoSecretOfTheStore(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(versionStep("v2", 2), fallbackStep("spare"))
		getText(t, c, db)
		assert.Equal(t, "spare", getText(t, c, db.Fresh()), "a fresh Get returns the fallback")
		assert.Equal(t, "value of v2", getText(t, c, db))
		time.Sleep(ttl)
		m.Script(versionStep("v1", 1), versionStep("v2", 2))
		assert.Equal(t, "value of v2", getText(t, c, db), "the fallback does not extend the TTL")
	})
}

func TestAFallbackIsCachedForOneBackoffStep(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(versionStep("v2", 2))
		getText(t, c, db)
		time.Sleep(ttl)
		for i, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			m.Script(fallbackStep(fmt.Sprint("spare ", i)))
			before := len(m.Calls())
			for range 3 {
				secret, err := c.Get(t.Context(), db)
				require.NoError(t, err)
				assert.Equal(t, fmt.Sprint("spare ", i), secret.Value.Reveal())
				assert.True(t, secret.FromFallback)
			}
			time.Sleep(want*time.Millisecond - 1)
			getText(t, c, db)
			assert.Len(t, m.Calls(), before+1)
			time.Sleep(time.Nanosecond)
		}
		m.Script(versionStep("v1", 1), versionStep("v2", 2))
		assert.Equal(t, "value of v2", getText(t, c, db), "the older version is confirmed")
		assert.Equal(t, "value of v2", getText(t, c, db))
	})
}
