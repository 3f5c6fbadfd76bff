package cachettl_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// Who would have been served stale waits for the fetch after all, also if that is
// a fresh one, whose results are not there yet.
func TestForgettingTakesTheSpareAwayDuringAFreshFetch(t *testing.T) {
	bubble(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		stale(t, c)
		time.Sleep(ttl)
		m.Put("db", []byte("two"))
		m.Script(step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { assert.Equal(t, "two", reveal(t, c, db.Fresh())) })
		synctest.Wait()
		start := time.Now()
		wg.Go(func() {
			assert.Equal(t, "two", reveal(t, c, db))
			assert.Equal(t, time.Second, time.Since(start))
		})
		synctest.Wait()
		c.Forget(db)
		wg.Wait()
		assert.Len(t, m.Calls(), 2)
	})
}
