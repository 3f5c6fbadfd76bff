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

const ttl = time.Minute

var db = hush.Name("db")

type step = providertest.Step

// withCache runs test in a synctest bubble, with a cache in front of a Map that has
// db. Without opts.Jitter, the TTL has no jitter.
func withCache(t *testing.T, opts *cachettl.Options, test func(*testing.T, *cachettl.Cache, *providertest.Map)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &providertest.Map{}
		m.Put("db", []byte("one"))
		var withDefault cachettl.Options
		if opts != nil {
			withDefault = *opts
		}
		if withDefault.Jitter == 0 {
			withDefault.Jitter = -1
		}
		c := cachettl.New(m, ttl, &withDefault)
		t.Cleanup(func() { assert.NoError(t, c.Close()) })
		test(t, c, m)
	})
}

func getText(t *testing.T, p hush.Provider, ref hush.Ref) string {
	t.Helper()
	secret, err := p.Get(t.Context(), ref)
	require.NoError(t, err)
	return secret.Value.Reveal()
}

func TestConformance(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		m := &providertest.Map{}
		c := cachettl.New(m, time.Hour, nil)
		t.Cleanup(func() { assert.NoError(t, c.Close()) })
		put := func(name string, value []byte) { m.Put(name, value) }
		return providertest.Harness{
			Provider: c, Put: put, Rotate: put, Deny: m.Deny,
			Break: func() func() { return m.Always(step{Err: hush.ErrUnavailable}) },
			Hang:  func() func() { return m.Always(step{Delay: time.Hour}) },
		}
	})
}

func TestTTLCountsFromTheStartOfTheFetch(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: 2 * time.Second})
		assert.Equal(t, "one", getText(t, c, db))
		m.Put("db", []byte("two"))
		time.Sleep(ttl - 2*time.Second - 1)
		assert.Equal(t, "one", getText(t, c, db))
		assert.Len(t, m.Calls(), 1)
		time.Sleep(time.Nanosecond)
		assert.Equal(t, "two", getText(t, c, db))
		assert.Len(t, m.Calls(), 2)
	})
}

func TestWithoutATTLNothingIsCached(t *testing.T) {
	var m providertest.Map
	m.Put("db", []byte("one"))
	c := cachettl.New(&m, -1, nil)
	getText(t, c, db)
	getText(t, c, db)
	assert.Len(t, m.Calls(), 2)
}

func TestFieldsShareAnEntryAndVersionsDoNot(t *testing.T) {
	var m providertest.Map
	m.Put("db", []byte(`{"user":"u","password":"p"}`))
	m.Put("db", []byte(`{"user":"u2","password":"p2"}`))
	c := cachettl.New(&m, ttl, nil)
	for range 3 {
		assert.Equal(t, "u2", getText(t, c, hush.Ref{Name: "db", Field: "user"}))
		assert.Equal(t, "p2", getText(t, c, hush.Ref{Name: "db", Field: "password", Stage: hush.CurrentStage}))
	}
	assert.Len(t, m.Calls(), 1, "all fields in one call")
	assert.Equal(t, hush.Name("db"), m.Calls()[0], "the request has no field")

	for range 2 {
		assert.Equal(t, "p", getText(t, c, hush.Ref{Name: "db", Version: "v1", Field: "password"}))
		assert.Equal(t, "u", getText(t, c, hush.Ref{Name: "db", Stage: "AWSPREVIOUS", Field: "user"}))
	}
	assert.Len(t, m.Calls(), 3, "version and stage are part of the key")

	_, err := c.Get(t.Context(), hush.Ref{Name: "db", Field: "nope"})
	require.ErrorIs(t, err, hush.ErrNotFound)
	assert.ErrorContains(t, err, `"db#nope"`)
	assert.Len(t, m.Calls(), 3, "a missing field drops nothing")
	assert.Equal(t, "u2", getText(t, c, hush.Ref{Name: "db", Field: "user"}))
}

func TestMoreFieldsThanTheLimitStillWork(t *testing.T) {
	members := map[string]string{}
	doc := "{"
	for i := range 200 {
		members[fmt.Sprintf("f%d", i)] = fmt.Sprintf("value %d", i)
		doc += fmt.Sprintf(`"f%d":"value %d",`, i, i)
	}
	c := cachettl.New(hush.Static(map[string]string{"db": doc + `"z":0}`}), ttl, nil)
	for range 2 {
		for name, want := range members {
			assert.Equal(t, want, getText(t, c, hush.Ref{Name: "db", Field: name}))
		}
	}
}

func TestAHitFailsIfItsContextIsDone(t *testing.T) {
	c := cachettl.New(hush.Static(map[string]string{"db": "one"}), ttl, nil)
	getText(t, c, db)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Get(ctx, db)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
}

func TestAThousandCallersMakeOneCall(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second})
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { assert.Equal(t, "one", getText(t, c, db)) })
		}
		wg.Wait()
		assert.Len(t, m.Calls(), 1)
	})
}

func TestEachGetLeavesWhenItsContextEnds(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second})
		first, cancelFirst := context.WithCancel(t.Context())
		hasty, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Get(first, db)
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
		})
		synctest.Wait()
		start := time.Now()
		wg.Go(func() {
			_, err := c.Get(hasty, db)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, 20*time.Millisecond, time.Since(start))
		})
		for range 10 {
			wg.Go(func() { assert.Equal(t, "one", getText(t, c, db)) })
		}
		time.Sleep(10 * time.Millisecond)
		cancelFirst()
		wg.Wait()
		assert.Equal(t, time.Second, time.Since(start))
		assert.Len(t, m.Calls(), 1)
	})
}

func TestAFetchKeepsTheValuesOfItsContextAndNotItsDeadline(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "trace"), time.Hour)
	defer cancel()
	c := cachettl.New(hush.ProviderFunc(func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
		assert.Equal(t, "trace", ctx.Value(key{}))
		deadline, ok := ctx.Deadline()
		assert.True(t, ok)
		assert.WithinDuration(t, time.Now().Add(5*time.Second), deadline, 2*time.Second)
		return hush.Secret{}, nil
	}), ttl, nil)
	_, err := c.Get(ctx, db)
	require.NoError(t, err)
}

func TestAFailureIsReturnedToAllWaitingGetsAndNotCached(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for _, class := range []hush.Class{
			hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrThrottled, hush.ErrUnavailable,
			hush.ErrRefused, hush.ErrAbsent, hush.ErrUnsupported,
		} {
			m.Script(step{Delay: time.Second, Err: hush.NewError("map", db, class, nil)})
			before := len(m.Calls())
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					_, err := c.Get(t.Context(), db)
					assert.Equal(t, class, hush.ClassOf(err))
				})
			}
			wg.Wait()
			assert.Len(t, m.Calls(), before+1)
		}
		assert.Equal(t, "one", getText(t, c, db))
	})
}

func TestNotFoundAndDeniedDropTheSecret(t *testing.T) {
	for class, ends := range map[hush.Class]bool{
		hush.ErrNotFound: true, hush.ErrDenied: true, hush.ErrUnauthenticated: false, hush.ErrThrottled: false,
		hush.ErrUnavailable: false, hush.ErrRefused: false, hush.ErrAbsent: false, hush.ErrUnsupported: false,
	} {
		t.Run(class.Error(), func(t *testing.T) {
			withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				getText(t, c, db)
				defer m.Always(step{Err: class})()
				_, err := c.Get(t.Context(), db.Fresh())
				require.Equal(t, class, hush.ClassOf(err))
				_, err = c.Get(t.Context(), db)
				if ends {
					assert.Equal(t, class, hush.ClassOf(err), "a revoked secret is not served again")
				} else {
					assert.NoError(t, err, "%v: a secret is served within its TTL", class)
				}
			})
		})
	}
}

func TestCloseCancelsFetchesAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put("db", []byte("one"))
		c := cachettl.New(&m, ttl, nil)
		getText(t, c, db)
		m.Script(step{Delay: time.Hour})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Get(t.Context(), hush.Name("slow"))
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
			assert.ErrorContains(t, err, "cache closed")
			assert.NotErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		start := time.Now()
		require.NoError(t, c.Close())
		require.NoError(t, c.Close())
		wg.Wait()
		assert.Zero(t, time.Since(start))
		_, err := c.Get(t.Context(), db)
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.ErrorContains(t, err, "cache closed")
		c.Forget(db)
		_, err = m.Get(t.Context(), db)
		assert.NoError(t, err, "next stays open")
	})
}

func TestAHitAllocatesNothing(t *testing.T) {
	c := cachettl.New(hush.Static(map[string]string{"db": `{"password":"p"}`}), time.Hour, nil)
	for _, ref := range []hush.Ref{db, {Name: "db", Field: "password"}} {
		getText(t, c, ref)
		ctx := t.Context()
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if _, err := c.Get(ctx, ref); err != nil {
				t.Error(err)
			}
		}), "%s", ref)
	}
}

func TestNewPanicsWithoutAProvider(t *testing.T) {
	assert.Panics(t, func() { cachettl.New(nil, ttl, nil) })
}

func Example() {
	store := hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		fmt.Println("the store receives", ref)
		return hush.Secret{Value: hush.NewValue([]byte(`{"user":"app","password":"hunter2"}`))}, nil
	})
	secrets := cachettl.New(store, 5*time.Minute, nil)
	defer func() { _ = secrets.Close() }()

	user, _ := hush.Get(context.Background(), secrets, "db/prod#user")
	password, _ := hush.Get(context.Background(), secrets, "db/prod#password")
	fmt.Println(user.Value.Reveal(), password.Value)
	// Output:
	// the store receives db/prod
	// app [redacted hush.Value: call Reveal]
}
