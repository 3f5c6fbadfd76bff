package cachettl_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// A fetch that takes longer than the TTL leaves its secret as a stale one, so that
// later Gets do not all wait.
func TestAFetchLongerThanTheTTLLeavesAStaleSecret(t *testing.T) {
	opts := &cachettl.Options{StaleIfError: time.Hour, FetchTimeout: time.Hour}
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		getText(t, c, db)
		defer m.Always(step{Delay: ttl + time.Second})()
		m.Put("db", []byte("two"))
		time.Sleep(ttl)
		assert.True(t, isStale(t, c))
		time.Sleep(ttl + time.Second)
		synctest.Wait()
		start := time.Now()
		secret, err := c.Get(t.Context(), db)
		require.NoError(t, err)
		assert.True(t, secret.Stale)
		assert.Equal(t, "two", secret.Value.Reveal(), "and not an older one")
		assert.Equal(t, 100*time.Millisecond, time.Since(start))
	})
}

// A fetch that is past FetchTimeout in a running process has failed, also if a Get
// finds it before its own timer does.
func TestAFetchFoundAtItsTimeoutHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := cachettl.New(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
			if calls.Add(1) > 1 {
				time.Sleep(time.Hour) // ignores its context
			}
			return hush.Secret{Value: hush.NewValue([]byte("one"))}, nil
		}), ttl, &cachettl.Options{StaleIfError: time.Hour, Jitter: -1})
		assert.False(t, isStale(t, c))
		time.Sleep(ttl)
		assert.True(t, isStale(t, c))
		time.Sleep(5*time.Second - 100*time.Millisecond + time.Millisecond)
		for range 3 {
			assert.True(t, isStale(t, c))
		}
		s := c.Stats()
		assert.Equal(t, map[hush.Class]uint64{hush.ErrUnavailable: 1}, s.Failures)
		assert.Zero(t, s.Abandoned)
		assert.EqualValues(t, 2, calls.Load(), "in backoff")
		require.NoError(t, c.Close())
		time.Sleep(time.Hour)
	})
}

// StaleWhileRevalidate bounds an outage, too: a Get that waits in full returns the stale
// secret and not the failure.
func TestAnOutageWithinStaleWhileRevalidateReturnsTheStaleSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := scenario{mode: "stale while revalidate alone", latency: latency, ttl: 10 * time.Second, monoStops: true}.start()
		defer func() { require.NoError(t, f.cache.Close()) }()
		f.read(t)
		time.Sleep(f.ttl)
		f.read(t)
		f.freeze(6 * time.Second)
		f.store.fail(hush.ErrUnavailable)
		version, took := f.read(t)
		assert.Equal(t, "v1~", version)
		assert.Equal(t, latency, took)
	})
}

func TestPanicsOfCallbacksAreCounted(t *testing.T) {
	opts := &cachettl.Options{
		StaleIfError: time.Hour,
		OnRotate:     func(hush.Ref, hush.Secret, hush.Secret) { panic("canary") },
		OnStale:      func(hush.Ref, hush.Secret, error) { panic("canary") },
	}
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		getText(t, c, db)
		m.Put("db", []byte("two"))
		time.Sleep(ttl)
		assert.Equal(t, "two", getText(t, c, db))
		synctest.Wait()
		assert.EqualValues(t, 1, c.Stats().CallbackPanics)
		time.Sleep(ttl)
		defer m.Always(step{Err: hush.ErrUnavailable})()
		assert.Equal(t, "two", getText(t, c, db))
		synctest.Wait()
		assert.EqualValues(t, 2, c.Stats().CallbackPanics)
	})
}

func TestExtremeOptions(t *testing.T) {
	for _, jitter := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 5e-324} {
		var m providertest.Map
		m.Put("db", []byte("one"))
		c := cachettl.New(&m, time.Hour, &cachettl.Options{Jitter: jitter})
		getText(t, c, db)
		getText(t, c, db)
		want := 1
		if jitter > 1 {
			want = len(m.Calls()) // any TTL up to an hour
		}
		assert.Len(t, m.Calls(), want, "%v", jitter)
		require.NoError(t, c.Close())
	}
	for _, d := range []time.Duration{math.MaxInt64, math.MinInt64} {
		withCache(t, &cachettl.Options{
			StaleIfError: d, StaleWait: d, StaleWhileRevalidate: d, RefreshAhead: d, NegativeTTL: d, FetchTimeout: d, MinRefresh: d,
		}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
			assert.Equal(t, "one", getText(t, c, db))
			time.Sleep(ttl/2 - 1)
			assert.Equal(t, "one", getText(t, c, db))
			assert.Len(t, m.Calls(), 1)
			time.Sleep(ttl)
			m.Put("db", []byte("two"))
			getText(t, c, db)
			synctest.Wait()
			assert.Equal(t, "two", getText(t, c, db))
		})
	}
}

// The cost of a version does not grow with the number of versions of its name.
func TestTheCostOfAVersionDoesNotGrow(t *testing.T) {
	const versions = 10_000
	c := cachettl.New(hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		return hush.Secret{Value: hush.NewValue([]byte(ref.Version)), Version: ref.Version}, nil
	}), time.Hour, &cachettl.Options{MaxEntries: 2 * versions})
	defer func() { assert.NoError(t, c.Close()) }()
	read := func(from, to int) {
		for i := from; i < to; i++ {
			ref := hush.Ref{Name: "db", Version: fmt.Sprint(i)}
			assert.Equal(t, ref.Version, getText(t, c, ref))
		}
	}
	read(0, versions)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read(versions, versions+100)
	runtime.ReadMemStats(&after)
	assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/100, uint64(32<<10), "bytes for each version")

	ref := hush.Ref{Name: "db", Version: "77", Stage: "AWSPREVIOUS"}
	getText(t, c, ref)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := c.Get(context.Background(), ref); err != nil {
			t.Error(err)
		}
	}), "a hit allocates nothing")
}

// A Get with a short deadline that waits in full does not keep a patient one from
// doing so.
func TestAGetWithAShortDeadlineDoesNotLimitLongerWaits(t *testing.T) {
	withFrozenFunction(t, latency, func(t *testing.T, f *function) {
		f.read(t)
		f.freeze(6 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		secret, err := f.cache.Get(ctx, db)
		require.NoError(t, err)
		assert.True(t, secret.Stale)
		f.freeze(6 * time.Second)
		version, took := f.read(t)
		assert.Equal(t, "v4", version)
		assert.Equal(t, latency, took)
	})
}

// While a store hangs, a program that reads several secrets loses one full wait and
// not one for each secret.
func TestAHangingStoreCostsOneFullWait(t *testing.T) {
	withFrozenFunction(t, latency, func(t *testing.T, f *function) {
		refs := numberedRefs(5)
		for _, ref := range refs {
			getText(t, f.cache, ref)
		}
		time.Sleep(f.ttl)
		f.store.hangs.Store(true)
		read := func() time.Duration {
			start := time.Now()
			for _, ref := range refs {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				_, err := f.cache.Get(ctx, ref)
				cancel()
				require.NoError(t, err)
			}
			return time.Since(start)
		}
		assert.Equal(t, 500*time.Millisecond, read(), "StaleWait for each")
		f.freeze(6 * time.Second)
		assert.Equal(t, 1900*time.Millisecond, read(), "half of the deadline once, and StaleWait for the others")
	})
}

// Several Gets of one batch share its time.
func TestABatchWaitsInFullAfterAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess()
		next := &slowBatchStore{}
		opts := &cachettl.Options{StaleIfError: time.Hour, Jitter: -1}
		opts.SetClock(p.now)
		c := cachettl.New(next, ttl, opts)
		defer func() { assert.NoError(t, c.Close()) }()
		for _, r := range c.GetBatch(t.Context(), numberedRefs(20)) {
			require.NoError(t, r.Err)
		}
		time.Sleep(ttl)
		for _, r := range c.GetBatch(t.Context(), numberedRefs(20)) {
			assert.True(t, r.Secret.Stale)
		}
		p.stop(6*time.Second, true)()
		start := time.Now()
		for _, r := range c.GetBatch(t.Context(), numberedRefs(20)) {
			require.NoError(t, r.Err)
			assert.False(t, r.Secret.Stale)
		}
		assert.Equal(t, time.Second, time.Since(start), "one call, although the fetches are started by the batch")
	})
}

// Gets leave and join while MaxFetches is reached, for the race detector.
func TestGetsWithShortDeadlinesUnderLoad(t *testing.T) {
	var m providertest.Map
	for i := range 16 {
		m.Put(fmt.Sprint(i), fmt.Append(nil, i))
	}
	defer m.Always(step{Delay: time.Millisecond})()
	c := cachettl.New(&m, 5*time.Millisecond, &cachettl.Options{MaxFetches: 2, StaleIfError: time.Second, StaleWait: time.Millisecond})
	var readers sync.WaitGroup
	for g := range 8 {
		readers.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%4+1)*time.Millisecond)
				ref := hush.Name(fmt.Sprint((i + g) % 16))
				if i%5 == 0 {
					ref = ref.Fresh()
				}
				if secret, err := c.Get(ctx, ref); err == nil {
					assert.Equal(t, ref.Name, secret.Value.Reveal())
				}
				cancel()
			}
		})
	}
	readers.Wait()
	assert.NoError(t, c.Close())
	assert.LessOrEqual(t, c.Size(), 16)
}
