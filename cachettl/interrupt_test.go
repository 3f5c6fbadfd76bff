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
)

// withFrozenFunction runs test in a bubble with a function whose store takes latency. The cache
// holds v1, which has just expired.
func withFrozenFunction(t *testing.T, latency time.Duration, test func(t *testing.T, f *function)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := scenario{mode: "plain", latency: latency, ttl: 10 * time.Second, monoStops: true}.start()
		defer func() { require.NoError(t, f.cache.Close()) }()
		_, _, err := f.get(t)
		require.NoError(t, err)
		time.Sleep(f.ttl - latency)
		test(t, f)
	})
}

// read returns the version that a Get returns, with a "~" if it is stale, and how
// long the Get took.
func (f *function) read(t *testing.T) (version string, took time.Duration) {
	t.Helper()
	secret, took, err := f.get(t)
	require.NoError(t, err)
	if secret.Stale {
		return secret.Version + "~", took
	}
	return secret.Version, took
}

// freeze stops the process for gap while the response does not arrive.
func (f *function) freeze(gap time.Duration) { f.process.stop(gap, true)() }

const latency = 300 * time.Millisecond // of most stores below: more than StaleWait

func TestAfterAStopTheFirstGetForEachFetchWaitsInFull(t *testing.T) {
	withFrozenFunction(t, latency, func(t *testing.T, f *function) {
		version, took := f.read(t)
		assert.Equal(t, "v1~", version)
		assert.Equal(t, 100*time.Millisecond, took, "StaleWait")
		f.freeze(time.Second)
		var others sync.WaitGroup
		for range 5 {
			others.Go(func() {
				time.Sleep(time.Millisecond)
				version, took := f.read(t)
				assert.Equal(t, "v1~", version)
				assert.Equal(t, 99*time.Millisecond, took, "the others keep StaleWait")
			})
		}
		version, took = f.read(t)
		assert.Equal(t, "v3", version)
		assert.Equal(t, latency, took)
		others.Wait()
	})
}

// Gets wait in full until a fetch ends that a Get had left.
func TestFullWaitsEndWithAFetchInTheBackground(t *testing.T) {
	withFrozenFunction(t, latency, func(t *testing.T, f *function) {
		f.read(t)
		f.freeze(time.Second)
		for _, want := range []string{"v3", "v4"} {
			version, _ := f.read(t)
			assert.Equal(t, want, version, "also at the next expiry")
			time.Sleep(f.ttl)
		}
		var both sync.WaitGroup
		both.Go(func() {
			version, _ := f.read(t)
			assert.Equal(t, "v5", version)
		})
		synctest.Wait()
		version, _ := f.read(t)
		assert.Equal(t, "v4~", version)
		both.Wait()
		time.Sleep(f.ttl)
		version, took := f.read(t)
		assert.Equal(t, "v5~", version, "the fetch ended that a Get had left")
		assert.Equal(t, 100*time.Millisecond, took)
	})
}

// A secret whose fetch was interrupted is waited for, although fetches for another
// secret end in the background again.
func TestAGetOfEachSecretWaitsAfterAStop(t *testing.T) {
	withFrozenFunction(t, latency, func(t *testing.T, f *function) {
		other := hush.Name("other")
		getText(t, f.cache, other)
		time.Sleep(f.ttl)
		f.read(t)
		getText(t, f.cache, other)
		f.freeze(6 * time.Second)
		var both sync.WaitGroup
		both.Go(func() { f.read(t) })
		synctest.Wait()
		f.read(t) // leaves the fetch
		both.Wait()
		secret, err := f.cache.Get(t.Context(), other)
		require.NoError(t, err)
		assert.False(t, secret.Stale)
	})
}

// A fetch that a Get left and that was interrupted does not show that fetches end in the background.
func TestAnInterruptedFetchDoesNotEndFullWaits(t *testing.T) {
	withFrozenFunction(t, latency, func(t *testing.T, f *function) {
		f.read(t)
		f.freeze(time.Second)
		time.Sleep(latency) // v2 arrives
		version, _ := f.read(t)
		assert.Equal(t, "v2", version)
		time.Sleep(f.ttl)
		version, _ = f.read(t)
		assert.Equal(t, "v3", version, "waits in full")
	})
}

func TestASecretOfAnInterruptedFetchIsCached(t *testing.T) {
	for gap, want := range map[time.Duration]string{
		4500 * time.Millisecond: "v2", // 4.5 s, 100 ms before and 200 ms after the stop
		5 * time.Second:         "v3",
	} {
		t.Run(gap.String(), func(t *testing.T) {
			withFrozenFunction(t, latency, func(t *testing.T, f *function) {
				f.read(t)
				f.freeze(gap)
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				version, _ := f.read(t)
				assert.Equal(t, want, version, "%v", gap)
			})
		})
	}
}

// The end of an interrupted fetch does not count as a failure: no backoff follows, and the next
// Get calls the store.
func TestTheFailureOfAnInterruptedFetchIsIgnored(t *testing.T) {
	for name, end := range map[string]func(*function){
		"an outage":  func(f *function) { f.store.fail(hush.ErrUnavailable) },
		"not found":  func(f *function) { f.store.fail(hush.ErrNotFound) },
		"denied":     func(f *function) { f.store.fail(hush.ErrDenied) },
		"a fallback": func(f *function) { f.store.fallBack() },
	} {
		t.Run(name, func(t *testing.T) {
			withFrozenFunction(t, latency, func(t *testing.T, f *function) {
				f.read(t)
				f.freeze(time.Second)
				end(f)
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				f.store.fail(0)
				assert.EqualValues(t, 1, f.cache.Stats().Abandoned)
				assert.Empty(t, f.cache.Stats().Failures)
				version, took := f.read(t)
				assert.Equal(t, "v3", version)
				assert.Equal(t, latency, took)
			})
		})
	}
}

func TestAClockThatIsSetBackDoesNotInterrupt(t *testing.T) {
	withFrozenFunction(t, latency, func(t *testing.T, f *function) {
		f.read(t)
		f.process.stop(-time.Hour, true)()
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		assert.Zero(t, f.cache.Stats().Abandoned)
		version, _ := f.read(t)
		assert.Equal(t, "v2", version)
		time.Sleep(f.ttl)
		f.read(t)
		f.freeze(time.Second)
		version, took := f.read(t)
		assert.Equal(t, "v4", version, "and a stop is noticed afterwards")
		assert.Equal(t, latency, took)
	})
}

// A process that is stopped more often than its store responds completes a fetch,
// also if it holds no secret yet.
func TestAFetchCompletesDespiteManyStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := scenario{latency: 700 * time.Millisecond, ttl: time.Minute, monoStops: true}.start()
		defer func() { require.NoError(t, f.cache.Close()) }()
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			secret, err := f.cache.Get(ctx, db)
			cancel()
			if err == nil {
				assert.Equal(t, "v2", secret.Version, "the second fetch is not abandoned")
				return
			}
			f.freeze(600 * time.Millisecond)
		}
		t.Error("no fetch ended")
	})
}

// A Get under which two fetches were interrupted returns its stale secret. Without
// one it fails.
func TestAfterTwoInterruptedFetches(t *testing.T) {
	for _, held := range []bool{true, false} {
		withFrozenFunction(t, latency, func(t *testing.T, f *function) {
			f.store.hangs.Store(true)
			ref := db
			if !held {
				ref = hush.Name("other")
			}
			var get sync.WaitGroup
			get.Go(func() {
				secret, err := f.cache.Get(t.Context(), ref)
				if held {
					assert.NoError(t, err)
					assert.True(t, secret.Stale)
				} else {
					assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
					assert.ErrorContains(t, err, "the process stood still")
				}
			})
			synctest.Wait()
			for range 2 {
				f.freeze(10 * time.Minute)
				time.Sleep(5 * time.Second) // the context of the fetch ends
				synctest.Wait()
			}
			get.Wait()
			assert.Equal(t, 1, f.cache.Size(), "an entry without a secret does not stay")
		})
	}
}
