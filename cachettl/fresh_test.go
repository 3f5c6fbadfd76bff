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

// made is an answer of a store that says when it made the version.
func made(version string, minute int) step {
	return step{Secret: &hush.Secret{
		Value: hush.NewValue([]byte("value of " + version)), Version: version,
		Created: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC), Source: "store",
	}}
}

func fallback(text string) step {
	return step{Secret: &hush.Secret{Value: hush.NewValue([]byte(text)), Source: "env", FromFallback: true}}
}

// fresh reports for each call of m whether it was a fresh one.
func fresh(m *providertest.Map) (out []bool) {
	for _, ref := range m.Calls() {
		_, is := ref.Freshness()
		out = append(out, is)
	}
	return out
}

func TestFreshIsNotAnsweredByAFetchThatBeganBefore(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		old := made("v0", 0)
		old.Delay = time.Second
		m.Script(old)
		var wg sync.WaitGroup
		wg.Go(func() { assert.Equal(t, "value of v0", reveal(t, c, db)) })
		synctest.Wait()
		for range 50 {
			wg.Go(func() { assert.Equal(t, "one", reveal(t, c, db.Fresh())) })
		}
		wg.Wait()
		assert.Equal(t, []bool{false, true}, fresh(m), "those who waited share one fresh fetch")
		assert.Equal(t, "one", reveal(t, c, db), "and what it brought is kept")
	})
}

func TestFreshIsNotAnsweredByAFreshFetchThatBeganBefore(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second}, step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { reveal(t, c, db.Fresh()) })
		synctest.Wait()
		wg.Go(func() { reveal(t, c, db.Fresh()) })
		wg.Wait()
		assert.Equal(t, []bool{true, true}, fresh(m))
	})
}

func TestAWaitingFreshReadIsNextEvenIfAPlainOneComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put("db", []byte("one"))
		defer m.Always(step{Delay: time.Second})()
		c := cachettl.New(&m, 0, nil)
		defer func() { assert.NoError(t, c.Close()) }()
		var wg sync.WaitGroup
		wg.Go(func() { reveal(t, c, db) })
		synctest.Wait()
		start := time.Now()
		wg.Go(func() { reveal(t, c, db.Fresh()) })
		synctest.Wait()
		time.Sleep(time.Second - 1)
		for range 20 {
			wg.Go(func() { reveal(t, c, db) })
		}
		wg.Wait()
		assert.Equal(t, 2*time.Second, time.Since(start))
		assert.Equal(t, []bool{false, true}, fresh(&m))
	})
}

func TestAPlainGetThatJoinedAnUnsupportedFreshOneAsksPlainly(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second, Err: hush.ErrUnsupported})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Get(t.Context(), db.Fresh())
			assert.Equal(t, hush.ErrUnsupported, hush.ClassOf(err))
		})
		synctest.Wait()
		wg.Go(func() { assert.Equal(t, "one", reveal(t, c, db)) })
		wg.Wait()
		assert.Equal(t, []bool{true, false}, fresh(m))
	})
}

func TestNewerThan(t *testing.T) {
	v := func(version, value string, minute int) hush.Secret {
		s := *made(version, minute).Secret
		s.Value = hush.NewValue([]byte(value))
		return s
	}
	held := v("v2", `{"p":"held"}`, 2)
	for name, tc := range map[string]struct {
		held hush.Secret
		ref  hush.Ref
		than hush.Secret
		hit  bool
	}{
		"the same version":           {held: held, than: v("v2", "x", 2)},
		"another version":            {held: held, than: v("v1", "x", 1), hit: true},
		"a version that is newer":    {held: held, than: v("v3", "x", 3)},
		"no versions, another value": {held: v("", "a", 2), than: v("", "b", 2), hit: true},
		"no versions, the same":      {held: v("", "a", 2), than: v("", "a", 2)},
		"the same field":             {held: v("", `{"p":"a","q":1}`, 2), ref: hush.Ref{Name: "db", Field: "p"}, than: v("", "a", 2)},
		"another field":              {held: v("", `{"p":"a","q":1}`, 2), ref: hush.Ref{Name: "db", Field: "p"}, than: v("", "b", 2), hit: true},
		"a fallback":                 {held: hush.Secret{Value: hush.NewValue([]byte("f")), FromFallback: true}, than: v("v1", "x", 1)},
		"a stale one":                {held: hush.Secret{Value: hush.NewValue([]byte("f")), Stale: true}, than: v("v1", "x", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				if tc.ref.Name == "" {
					tc.ref = db
				}
				m.Put("db", []byte(`{"p":"new"}`))
				m.Script(step{Secret: &tc.held})
				reveal(t, c, db)
				_, err := c.Get(t.Context(), tc.ref.NewerThan(tc.than))
				require.NoError(t, err)
				if tc.hit {
					assert.Len(t, m.Calls(), 1)
				} else {
					assert.Equal(t, []bool{false, true}, fresh(m))
				}
			})
		})
	}
}

func TestNewerThanLooksAgainAfterTheFetchThatRuns(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		old := made("v1", 1)
		newer := made("v2", 2)
		newer.Delay = time.Second
		m.Script(old, newer)
		reveal(t, c, db)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { assert.Equal(t, "value of v2", reveal(t, c, db.NewerThan(*old.Secret))) })
		}
		wg.Wait()
		assert.Len(t, m.Calls(), 2, "a hundred rejected callers make one call")
	})
}

func TestMinRefresh(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		than, err := c.Get(t.Context(), db)
		require.NoError(t, err)
		ask := func() string { return reveal(t, c, db.NewerThan(than)) }
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
	bubble(t, &cachettl.Options{MinRefresh: -1}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		than, err := c.Get(t.Context(), db)
		require.NoError(t, err)
		for range 3 {
			reveal(t, c, db.NewerThan(than))
		}
		assert.Len(t, m.Calls(), 4)
	})
}

func TestNeverBackwards(t *testing.T) {
	for name, tc := range map[string]struct {
		confirming step
		want       string // of this Get
		class      hush.Class
		then       string // of the next, within the TTL
	}{
		"the newer one is confirmed": {confirming: made("v2", 2), want: "value of v2", then: "value of v2"},
		"a roll-back is confirmed":   {confirming: made("v1", 1), want: "value of v1", then: "value of v1"},
		"nobody can be asked afresh": {confirming: step{Err: hush.ErrUnsupported}, want: "value of v1", then: "value of v1"},
		"the secret is gone":         {confirming: step{Err: hush.ErrNotFound}, class: hush.ErrNotFound},
		"the secret is denied":       {confirming: step{Err: hush.ErrDenied}, class: hush.ErrDenied},
		"the store is down":          {confirming: step{Err: hush.ErrThrottled}, class: hush.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				m.Script(made("v2", 2), made("v1", 1), tc.confirming, made("v9", 9))
				assert.Equal(t, "value of v2", reveal(t, c, db))
				time.Sleep(ttl)
				secret, err := c.Get(t.Context(), db)
				assert.Equal(t, tc.class, hush.ClassOf(err))
				assert.Equal(t, tc.want, secret.Value.Reveal())
				assert.Equal(t, []bool{false, false, true}, fresh(m))
				if tc.then == "" {
					tc.then = "value of v9"
				}
				assert.Equal(t, tc.then, reveal(t, c, db))
			})
		})
	}
}

func TestAnOlderAnswerFromAnotherLinkIsConfirmed(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Put("db", []byte("two"))
		direct, behind := made("v2", 2), made("v1", 1)
		direct.Secret.Source, behind.Secret.Source = "direct", "extension"
		m.Script(direct, behind, direct)
		assert.Equal(t, "value of v2", reveal(t, c, db.Fresh()))
		time.Sleep(ttl)
		assert.Equal(t, "value of v2", reveal(t, c, db))
	})
}

func TestAFreshReadMayGoBack(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(made("v2", 2), made("v1", 1))
		reveal(t, c, db)
		assert.Equal(t, "value of v1", reveal(t, c, db.Fresh()))
		assert.Len(t, m.Calls(), 2, "it is the confirmation itself")
		assert.Equal(t, "value of v1", reveal(t, c, db))
	})
}

func TestAFallbackNeverReplacesAGoodAnswer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(made("v2", 2), fallback("spare"))
		reveal(t, c, db)
		assert.Equal(t, "spare", reveal(t, c, db.Fresh()), "who asked afresh gets it")
		assert.Equal(t, "value of v2", reveal(t, c, db))
		time.Sleep(ttl)
		m.Script(made("v1", 1), made("v2", 2))
		assert.Equal(t, "value of v2", reveal(t, c, db), "and it does not extend the TTL")
	})
}

func TestAFallbackIsKeptForABackOffStep(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(made("v2", 2))
		reveal(t, c, db)
		time.Sleep(ttl)
		for i, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			m.Script(fallback(fmt.Sprint("spare ", i)))
			before := len(m.Calls())
			for range 3 {
				secret, err := c.Get(t.Context(), db)
				require.NoError(t, err)
				assert.Equal(t, fmt.Sprint("spare ", i), secret.Value.Reveal())
				assert.True(t, secret.FromFallback)
			}
			time.Sleep(want*time.Millisecond - 1)
			reveal(t, c, db)
			assert.Len(t, m.Calls(), before+1)
			time.Sleep(time.Nanosecond)
		}
		m.Script(made("v1", 1), made("v2", 2))
		assert.Equal(t, "value of v2", reveal(t, c, db), "what was held before is remembered")
		assert.Equal(t, "value of v2", reveal(t, c, db))
	})
}

func TestForget(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Put("other", []byte("x"))
		reveal(t, c, db)
		reveal(t, c, hush.Name("other"))
		c.Forget(hush.Ref{Name: "db", Field: "f", Stage: hush.CurrentStage}, hush.Ref{})
		reveal(t, c, db)
		reveal(t, c, db)
		reveal(t, c, hush.Name("other"))
		assert.Equal(t, []bool{false, false, true}, fresh(m), "the first fetch afterwards is a fresh one")
		c.Forget()
		m.Script(step{Err: hush.ErrUnsupported})
		reveal(t, c, db)
		reveal(t, c, hush.Name("other"))
		assert.Equal(t, []bool{false, false, true, true, false, true}, fresh(m), "and a plain one where there is no other")
	})
}

func TestForgetDuringAFetch(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		old := made("v0", 0)
		old.Delay = time.Second
		m.Script(old, step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { assert.Equal(t, "value of v0", reveal(t, c, db), "those who wait are answered") })
		synctest.Wait()
		c.Forget(db)
		for range 10 {
			wg.Go(func() { assert.Equal(t, "one", reveal(t, c, db), "those who come later are not") })
		}
		wg.Wait()
		assert.Equal(t, []bool{false, true}, fresh(m))
	})
}

func TestForgettingWhatWasNeverHeldMakesItsFirstFetchFresh(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		c.Forget(db)
		reveal(t, c, db)
		assert.Equal(t, []bool{true}, fresh(m))
	})
}
