package cachettl_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/providertest"
)

func TestAFreshGetEndsWithItsContext(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		getText(t, c, db)
		start := time.Now()
		assert.Equal(t, "one", getText(t, c, db.Fresh()))
		assert.Zero(t, time.Since(start))

		defer m.Always(step{Delay: time.Second})()
		for range 2 { // the second waits for the first
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			start := time.Now()
			_, err := c.Get(ctx, db.Fresh())
			cancel()
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, 20*time.Millisecond, time.Since(start))
		}
	})
}

func TestEvictionUnderLoad(t *testing.T) {
	var m providertest.Map
	for i := range 64 {
		m.Put(fmt.Sprint(i), fmt.Append(nil, i))
	}
	c := cachettl.New(&m, time.Millisecond, &cachettl.Options{MaxEntries: 4, RefreshAhead: time.Microsecond, StaleIfError: time.Second})
	var readers sync.WaitGroup
	for g := range 8 {
		readers.Go(func() {
			for i := range 2000 {
				ref := hush.Name(fmt.Sprint((i*7 + g) % 64))
				switch i % 16 {
				case 3:
					c.Forget(ref)
				case 7:
					ref = ref.Fresh()
				}
				secret, err := c.Get(t.Context(), ref)
				if !assert.NoError(t, err) || !assert.Equal(t, ref.Name, secret.Value.Reveal()) {
					return
				}
			}
		})
	}
	readers.Wait()
	assert.NoError(t, c.Close())
}

// After every store of a chain has refused a secret, the cache does not serve it again,
// stale or not, until a store returns it.
func TestRevocation(t *testing.T) {
	for name, revoke := range map[string]func(first, second *providertest.Map){
		"denied":    func(first, second *providertest.Map) { first.Deny("db"); second.Delete("db") },
		"not found": func(first, second *providertest.Map) { first.Delete("db"); second.Delete("db") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var first, second providertest.Map
				first.Put("db", []byte("one"))
				links := []chain.Link{{Name: "first", Provider: &first}, {Name: "second", Provider: &second}}
				c := cachettl.New(chain.New(links, nil), ttl, &cachettl.Options{
					StaleIfError: time.Hour, StaleWhileRevalidate: time.Second, RefreshAhead: time.Second, Jitter: -1,
				})
				defer func() { assert.NoError(t, c.Close()) }()
				getText(t, c, db)
				revoke(&first, &second)
				time.Sleep(ttl)
				_, _ = c.Get(t.Context(), db) // within StaleWhileRevalidate it may be served once more
				synctest.Wait()
				assert.NotEqual(t, hush.Class(0), getClass(t, c, db))
				first.Always(step{Err: hush.ErrUnavailable})
				second.Always(step{Err: hush.ErrUnavailable})
				for range 100 {
					assert.Equal(t, hush.ErrUnavailable, getClass(t, c, db), "not served again, also during an outage")
					time.Sleep(time.Second)
				}
			})
		})
	}
}
