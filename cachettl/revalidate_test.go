package cachettl_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

func TestStaleWhileRevalidate(t *testing.T) {
	withCache(t, &cachettl.Options{StaleWhileRevalidate: time.Minute}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		m.Script(step{Delay: 2 * time.Second})
		start := time.Now()
		for range 10 {
			assert.True(t, isStale(t, c))
		}
		assert.Zero(t, time.Since(start), "no Get waits")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.False(t, isStale(t, c))
		assert.Len(t, m.Calls(), 2, "one fetch in the background")

		time.Sleep(2*ttl - 2*time.Second - 1)
		m.Script(step{Err: hush.ErrUnavailable})
		assert.True(t, isStale(t, c))
		synctest.Wait()
		before := len(m.Calls())
		assert.True(t, isStale(t, c))
		synctest.Wait()
		assert.Len(t, m.Calls(), before, "no call in backoff")
		time.Sleep(time.Nanosecond)
		m.Script(step{Err: hush.ErrThrottled})
		assert.Equal(t, hush.ErrThrottled, getClass(t, c, db), "past the limit")
	})
}

func TestUnauthenticatedEndsStaleWhileRevalidate(t *testing.T) {
	withCache(t, &cachettl.Options{StaleWhileRevalidate: time.Hour, StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl)
		defer m.Always(step{Err: hush.ErrUnauthenticated})()
		assert.True(t, isStale(t, c), "the first refresh has not failed yet")
		synctest.Wait()
		assert.Equal(t, hush.ErrUnauthenticated, getClass(t, c, db))
	})
}

func TestStaleWhileRevalidateWaitsAfterAnInterruptedRefresh(t *testing.T) {
	clocks, opts := fakeClocks()
	opts.StaleWhileRevalidate = 24 * time.Hour
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		clocks.Move(ttl, ttl)
		m.Script(step{Delay: time.Hour})
		assert.True(t, isStale(t, c))
		synctest.Wait()
		clocks.Move(10*time.Minute, 0)
		m.Script(step{Delay: time.Second})
		assert.False(t, isStale(t, c), "waits, because the refresh was interrupted")
	})
}

func TestRefreshAhead(t *testing.T) {
	withCache(t, &cachettl.Options{RefreshAhead: 10 * time.Second}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		isStale(t, c)
		time.Sleep(ttl - 10*time.Second - 1)
		isStale(t, c)
		synctest.Wait()
		assert.Len(t, m.Calls(), 1)
		time.Sleep(time.Nanosecond)
		m.Script(step{Delay: time.Second, Err: hush.ErrUnavailable})
		start := time.Now()
		for range 10 {
			assert.False(t, isStale(t, c))
		}
		assert.Zero(t, time.Since(start))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Len(t, m.Calls(), 2, "one fetch in the background")
		assert.False(t, isStale(t, c), "a failed refresh does not end the TTL")
		synctest.Wait()
		assert.Len(t, m.Calls(), 2, "in backoff")
		time.Sleep(100 * time.Millisecond)
		isStale(t, c)
		synctest.Wait()
		assert.Len(t, m.Calls(), 3)
		time.Sleep(ttl - 10*time.Second - 1)
		isStale(t, c)
		synctest.Wait()
		assert.Len(t, m.Calls(), 3, "a success starts a new TTL")
	})
}
