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

// outages are the classes that allow a stale secret.
var outages = []hush.Class{hush.ErrThrottled, hush.ErrUnavailable, hush.ErrRefused, hush.ErrAbsent}

// isStale reads db and reports whether the secret is marked Stale.
func isStale(t *testing.T, c *cachettl.Cache) bool {
	t.Helper()
	secret, err := c.Get(t.Context(), db)
	require.NoError(t, err)
	assert.Equal(t, "one", secret.Value.Reveal())
	return secret.Stale
}

func getClass(t *testing.T, c *cachettl.Cache, ref hush.Ref) hush.Class {
	t.Helper()
	_, err := c.Get(t.Context(), ref)
	return hush.ClassOf(err)
}

func TestStaleIfErrorLimitsAnOutage(t *testing.T) {
	for _, class := range outages {
		t.Run(class.Error(), func(t *testing.T) {
			withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				bound := time.Hour
				if class == hush.ErrRefused {
					bound = ttl
				}
				assert.False(t, isStale(t, c))
				restore := m.Always(step{Err: class})
				time.Sleep(ttl)
				assert.True(t, isStale(t, c), "%v", class)
				assert.Equal(t, class, getClass(t, c, db.Fresh()), "a fresh read gets the error")
				time.Sleep(bound - 1)
				assert.True(t, isStale(t, c), "%v", class)
				time.Sleep(time.Nanosecond)
				assert.Equal(t, class, getClass(t, c, db), "past the limit")
				restore()
				assert.False(t, isStale(t, c), "the store is back")
			})
		})
	}
}

func TestWithoutStaleIfErrorAnOutageIsAnError(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Script(step{Err: hush.ErrUnavailable})
		assert.Equal(t, hush.ErrUnavailable, getClass(t, c, db))
	})
}

func TestNotFoundAndDeniedEndStaleIfError(t *testing.T) {
	for class, ends := range map[hush.Class]bool{
		hush.ErrNotFound: true, hush.ErrDenied: true, hush.ErrUnauthenticated: false, hush.ErrUnsupported: false,
	} {
		t.Run(class.Error(), func(t *testing.T) {
			withCache(t, &cachettl.Options{StaleIfError: time.Hour, StaleWhileRevalidate: -1}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				isStale(t, c)
				time.Sleep(ttl)
				restore := m.Always(step{Err: class})
				assert.Equal(t, class, getClass(t, c, db))
				restore()
				m.Script(step{Err: hush.ErrUnavailable})
				secret, err := c.Get(t.Context(), db)
				if ends {
					assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%v: a revoked secret is never served again", class)
				} else {
					require.NoError(t, err, "%v", class)
					assert.True(t, secret.Stale)
				}
			})
		})
	}
}

func TestARevocationDuringAStaleWaitEndsStaleIfError(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour, StaleWait: time.Second}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		restore := m.Always(step{Delay: time.Second, Err: hush.ErrDenied}) // ends just when the wait does
		_, err := c.Get(t.Context(), db)
		if err == nil {
			_, err = c.Get(t.Context(), db)
		}
		restore()
		m.Always(step{Err: hush.ErrUnavailable})
		synctest.Wait()
		assert.Equal(t, hush.ErrUnavailable, getClass(t, c, db), "%v", err)
	})
}

func TestStaleWait(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Script(step{Delay: 3 * time.Second})
		start := time.Now()
		assert.True(t, isStale(t, c))
		assert.Equal(t, 100*time.Millisecond, time.Since(start))
		assert.True(t, isStale(t, c), "the wait is from the start of the fetch")
		assert.Equal(t, 100*time.Millisecond, time.Since(start))
		time.Sleep(3 * time.Second)
		assert.False(t, isStale(t, c), "the fetch continued")
		assert.Len(t, m.Calls(), 2)
	})
	withCache(t, &cachettl.Options{StaleIfError: time.Hour, StaleWait: -1}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		start := time.Now()
		m.Script(step{Delay: time.Second})
		assert.True(t, isStale(t, c))
		assert.Zero(t, time.Since(start))
	})
	withCache(t, &cachettl.Options{StaleIfError: time.Hour, StaleWait: time.Second}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Script(step{Delay: 4 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		secret, err := c.Get(ctx, db)
		require.NoError(t, err, "a deadline shorter than the wait is met")
		assert.True(t, secret.Stale)
		assert.Equal(t, 100*time.Millisecond, time.Since(start), "half of the deadline is left to the caller")
	})
}

func TestStaleWaitIsLongEnoughForAFastStore(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Script(step{Delay: 50 * time.Millisecond})
		assert.False(t, isStale(t, c))
	})
}

func TestForgetDuringAStaleWait(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Put("db", []byte("two"))
		m.Script(step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { assert.Equal(t, "two", getText(t, c, db)) })
		synctest.Wait()
		c.Forget(db)
		wg.Wait()
	})
}

func TestBackoff(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		restore := m.Always(step{Err: hush.ErrUnavailable})
		for _, wait := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			before := len(m.Calls())
			for range 100 {
				assert.True(t, isStale(t, c))
			}
			time.Sleep(wait*time.Millisecond - 1)
			assert.True(t, isStale(t, c))
			assert.Len(t, m.Calls(), before+1, "one call for each step of %v ms", wait)
			time.Sleep(time.Nanosecond)
		}
		restore()
		assert.False(t, isStale(t, c))
		time.Sleep(ttl)
		m.Script(step{Err: hush.ErrUnavailable})
		assert.True(t, isStale(t, c))
		time.Sleep(100 * time.Millisecond)
		assert.False(t, isStale(t, c), "a success ends the backoff")
	})
}

func TestStaleIfErrorPrecedesAFallback(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		defer m.Always(fallbackStep("spare"))()
		assert.True(t, isStale(t, c), "the stale secret precedes the fallback")
		before := len(m.Calls())
		assert.True(t, isStale(t, c))
		assert.Len(t, m.Calls(), before, "in backoff")
		assert.Equal(t, "spare", getText(t, c, db.Fresh()))
		time.Sleep(time.Hour)
		assert.Equal(t, "spare", getText(t, c, db), "the fallback extends no limit")
		assert.Zero(t, c.Stats().Rotations, "a fallback does not count as a rotation")
	})
}

func TestStaleIfErrorPrecedesAStaleSecretOfTheStore(t *testing.T) {
	withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Script(step{Secret: &hush.Secret{Value: hush.NewValue([]byte("theirs")), Stale: true}})
		assert.True(t, isStale(t, c))
	})
}
