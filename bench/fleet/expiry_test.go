package fleet_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/direct"
)

// The fleet is measured around the expiry of its caches. The jitter is a tenth of the TTL.
const (
	from  = ttl - ttl/10 - 5*time.Second
	until = ttl + 15*time.Second
	every = 500 * time.Millisecond // interval of the reads of each process
)

// expiryResult has the counts of calls and reads around the expiry of the caches.
type expiryResult struct {
	calls, throttled, peak int
	reads, failed, stale   atomic.Int64
}

// expire fills the caches of a fleet that starts within a second, and reads from them around
// their expiry.
func expire(o cachettl.Options) *expiryResult {
	e, a := &expiryResult{}, newAccount()
	var fleet sync.WaitGroup
	for i := range processes {
		fleet.Go(func() {
			time.Sleep(within * time.Duration(i) / processes)
			cache := cachettl.New(direct.New(a.client(), nil), ttl, &o)
			defer func() { _ = cache.Close() }()
			for hush.Errors(hush.GetAll(context.Background(), cache, refs()...)) != nil {
				time.Sleep(pause)
			}
			time.Sleep(time.Until(a.start.Add(from)))
			for time.Since(a.start) < until {
				e.read(cache)
				time.Sleep(every)
			}
		})
	}
	time.Sleep(from)
	calls, throttled := a.count()
	fleet.Wait()
	e.calls, e.throttled = a.count()
	e.calls, e.throttled, e.peak = e.calls-calls, e.throttled-throttled, a.peak(from)
	return e
}

// read reads all secrets once.
func (e *expiryResult) read(cache *cachettl.Cache) {
	for _, ref := range refs() {
		secret, err := cache.Get(context.Background(), ref)
		e.reads.Add(1)
		switch {
		case err != nil:
			e.failed.Add(1)
		case secret.Stale:
			e.stale.Add(1)
		}
	}
}

func (a *account) count() (calls, throttled int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[0] + a.calls[1], a.throttled
}

// TestFleetJitterLowersPeak lets the caches of the fleet expire with and without jitter.
func TestFleetJitterLowersPeak(t *testing.T) {
	table := newTable(t.Output(), "caches of 5 min\tcalls\tthrottled\tpeak/s\treads\tfailed\tstale")
	run := func(name string, o cachettl.Options) (e *expiryResult) {
		synctest.Test(t, func(*testing.T) { e = expire(o) })
		assert.GreaterOrEqual(t, e.calls, processes*20, "each secret is fetched again")
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n",
			name, e.calls, e.throttled, e.peak, e.reads.Load(), e.failed.Load(), e.stale.Load())
		return e
	}
	none := run("no jitter", cachettl.Options{Jitter: -1})
	run("no jitter, StaleIfError of 1 h", cachettl.Options{Jitter: -1, StaleIfError: time.Hour})
	jitter := run("jitter of 10 %, the default", cachettl.Options{})
	require.NoError(t, table.Flush())
	assert.Less(t, jitter.peak, none.peak)
	assert.Less(t, jitter.peak, singleQuota/4, "far below the quota")
	assert.Zero(t, jitter.throttled)
	assert.Zero(t, jitter.failed.Load())
}
