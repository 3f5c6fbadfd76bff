package cachettl_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// upperKey and describeKey are keys of GetDerived.
type (
	upperKey    struct{}
	describeKey struct{}
)

// derived is the result of a derive function in these tests.
type derived struct{ text string }

func upper(s hush.Secret) any { return &derived{strings.ToUpper(s.Value.Reveal())} }

// describe has in its result what a cache may change about a secret.
func describe(s hush.Secret) any {
	return &derived{fmt.Sprint(s.Value.Reveal(), " stale=", s.Stale, " fallback=", s.FromFallback)}
}

func getDerived(t *testing.T, c *cachettl.Cache, ref hush.Ref, key any, derive func(hush.Secret) any) *derived {
	t.Helper()
	value, err := c.GetDerived(t.Context(), ref, key, derive)
	require.NoError(t, err)
	return value.(*derived)
}

func TestHitsShareADerivedValue(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Put("json", []byte(`{"user":"app"}`))
		field := hush.Ref{Name: "json", Field: "user"}
		first := getDerived(t, c, db, upperKey{}, upper)
		assert.Equal(t, "ONE", first.text)
		assert.Equal(t, "one stale=false fallback=false", getDerived(t, c, db, describeKey{}, describe).text)
		assert.Equal(t, "APP", getDerived(t, c, field, upperKey{}, upper).text)
		assert.Equal(t, `{"USER":"APP"}`, getDerived(t, c, hush.Name("json"), upperKey{}, upper).text)
		calls := len(m.Calls())
		assert.Same(t, first, getDerived(t, c, db, upperKey{}, upper))
		assert.Same(t, first, getDerived(t, c, hush.Ref{Name: "db", Stage: hush.CurrentStage}, upperKey{}, upper))
		assert.Len(t, m.Calls(), calls, "the secret is cached")
	})
}

func TestADerivedValueChangesWithItsSecret(t *testing.T) {
	opts := &cachettl.Options{StaleIfError: time.Hour, RefreshAhead: time.Second}
	for name, change := range map[string]func(*cachettl.Cache){
		"forget": func(c *cachettl.Cache) { c.Forget(db) },
		"expiry": func(*cachettl.Cache) { time.Sleep(ttl) },
		"refresh": func(c *cachettl.Cache) {
			time.Sleep(ttl - time.Second)
			_, err := c.Get(context.Background(), db)
			assert.NoError(t, err)
			synctest.Wait()
		},
		"fresh": func(c *cachettl.Cache) {
			_, err := c.Get(context.Background(), db.Fresh())
			assert.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				getDerived(t, c, db, describeKey{}, describe)
				m.Put("db", []byte("two"))
				change(c)
				assert.Equal(t, "two stale=false fallback=false", getDerived(t, c, db, describeKey{}, describe).text, name)
			})
		})
	}
}

func TestADerivedValueOfAStaleSecret(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		getDerived(t, c, db, describeKey{}, describe)
		recovers := m.Always(step{Err: hush.ErrUnavailable})
		time.Sleep(ttl)
		for range 2 {
			assert.Equal(t, "one stale=true fallback=false", getDerived(t, c, db, describeKey{}, describe).text)
		}
		recovers()
		assert.Eventually(t, func() bool {
			return getDerived(t, c, db, describeKey{}, describe).text == "one stale=false fallback=false"
		}, time.Hour, time.Second)
	})
}

func TestStaleGetsShareADerivedValue(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		live := getDerived(t, c, db, describeKey{}, describe)
		defer m.Always(step{Err: hush.ErrUnavailable})()
		time.Sleep(ttl)
		first := getDerived(t, c, db, describeKey{}, describe)
		assert.Equal(t, "one stale=true fallback=false", first.text)
		assert.NotSame(t, live, first)
		for range 3 {
			assert.Same(t, first, getDerived(t, c, db, describeKey{}, describe))
			time.Sleep(time.Second)
		}
	})
}

func TestADerivedValueOfAFallback(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(fallbackStep("spare"))
		assert.Equal(t, "spare stale=false fallback=true", getDerived(t, c, db, describeKey{}, describe).text)
	})
}

func TestGetDerivedFailsAsGetDoes(t *testing.T) {
	withCache(t, &cachettl.Options{NegativeTTL: time.Minute}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		getText(t, c, db)
		done, cancel := context.WithCancel(t.Context())
		cancel()
		for _, ref := range []hush.Ref{{}, {Name: "none"}, {Name: "none"}, {Name: "db", Field: "none"}} {
			for _, ctx := range []context.Context{t.Context(), done} {
				_, want := c.Get(ctx, ref)
				require.Error(t, want)
				value, err := c.GetDerived(ctx, ref, upperKey{}, upper)
				assert.Nil(t, value)
				assert.Equal(t, hush.ClassOf(want), hush.ClassOf(err), "%q", ref)
				assert.Equal(t, want.Error(), err.Error())
			}
		}
	})
}

// The garbage collector frees a derived value when its secret is dropped.
func TestADerivedValueIsFreedWithItsSecret(t *testing.T) {
	for name, drop := range map[string]func(*cachettl.Cache){
		"forget":     func(c *cachettl.Cache) { c.Forget(db) },
		"forget all": func(c *cachettl.Cache) { c.Forget() },
		"close":      func(c *cachettl.Cache) { assert.NoError(t, c.Close()) },
		"rotation": func(c *cachettl.Cache) {
			_, err := c.Get(context.Background(), db.Fresh())
			assert.NoError(t, err)
		},
		"eviction": func(c *cachettl.Cache) {
			for i := range 3 {
				_, err := c.Get(context.Background(), hush.Name(fmt.Sprint(i)))
				assert.NoError(t, err)
			}
		},
	} {
		var m providertest.Map
		for _, secret := range []string{"db", "0", "1", "2"} {
			m.Put(secret, []byte("one"))
		}
		c := cachettl.New(&m, time.Hour, &cachettl.Options{MaxEntries: 2})
		kept := func() weak.Pointer[derived] { return weak.Make(getDerived(t, c, db, upperKey{}, upper)) }()
		runtime.GC()
		require.NotNil(t, kept.Value(), "%s: kept while the secret is cached", name)
		m.Put("db", []byte("two"))
		drop(c)
		runtime.GC()
		assert.Nil(t, kept.Value(), name)
		assert.NoError(t, c.Close())
	}
}

func TestMoreDerivedValuesThanTheLimitStillWork(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, _ *providertest.Map) {
		for key := range 100 {
			for range 2 {
				got := getDerived(t, c, db, key, func(hush.Secret) any { return &derived{fmt.Sprint(key)} })
				assert.Equal(t, fmt.Sprint(key), got.text)
			}
		}
	})
}

func TestADerivedHitAllocatesNothing(t *testing.T) {
	c := cachettl.New(hush.Static(map[string]string{"db": "one"}), time.Hour, nil)
	ctx := t.Context()
	getDerived(t, c, db, upperKey{}, upper)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := c.GetDerived(ctx, db, upperKey{}, upper); err != nil {
			t.Error(err)
		}
	}))
}
