package cachettl_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
	"github.com/hush-secrets/hush/providertest"
)

func fakeClocks() (*clocktest.Clock, *cachettl.Options) {
	clocks, opts := clocktest.New(), &cachettl.Options{}
	opts.SetClock(clocks.Now)
	return clocks, opts
}

func TestTTLEndsByEitherClock(t *testing.T) {
	for name, move := range map[string]struct{ wall, mono time.Duration }{
		"frozen: the monotonic clock stood still": {wall: ttl},
		"the wall clock was set back":             {wall: -time.Hour, mono: ttl},
	} {
		t.Run(name, func(t *testing.T) {
			clocks, opts := fakeClocks()
			withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
				getText(t, c, db)
				clocks.Move(max(move.wall-1, 0), max(move.mono-1, 0))
				getText(t, c, db)
				assert.Len(t, m.Calls(), 1)
				clocks.Move(move.wall, move.mono)
				getText(t, c, db)
				assert.Len(t, m.Calls(), 2)
			})
		})
	}
}

func TestExpiresEndsByEitherClock(t *testing.T) {
	clocks, opts := fakeClocks()
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		lease := step{Secret: &hush.Secret{Expires: time.Unix(0, clocks.Now().Wall).Add(10 * time.Second)}}
		m.Script(lease)
		getText(t, c, db)
		clocks.Move(-time.Hour, 10*time.Second)
		getText(t, c, db)
		assert.Len(t, m.Calls(), 2)
	})
}

func TestAFetchThatAFreezeInterruptedIsAbandoned(t *testing.T) {
	clocks, opts := fakeClocks()
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		late := versionStep("v0", 0)
		late.Delay = time.Second
		m.Script(late, step{Delay: 2 * time.Second})
		var wg sync.WaitGroup
		get := func() { assert.Equal(t, "one", getText(t, c, db)) }
		wg.Go(get)
		synctest.Wait()
		clocks.Move(10*time.Minute, 0)
		wg.Go(get) // after the freeze: starts another fetch
		synctest.Wait()
		assert.Len(t, m.Calls(), 2, "no Get joins the old fetch")
		wg.Wait()
		assert.Equal(t, "one", getText(t, c, db), "the late result is dropped")
		assert.Len(t, m.Calls(), 2, "the waiting Gets joined the next fetch")
	})
}

func TestALateResultOfAnInterruptedFetchIsFetchedAgain(t *testing.T) {
	clocks, opts := fakeClocks()
	withCache(t, opts, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for _, old := range []step{versionStep("v0", 0), {Err: hush.ErrUnavailable}} {
			old.Delay = time.Second
			m.Script(old)
			before := len(m.Calls())
			var wg sync.WaitGroup
			wg.Go(func() { assert.Equal(t, "one", getText(t, c, db)) })
			synctest.Wait()
			clocks.Move(10*time.Minute, 0)
			wg.Wait()
			assert.Len(t, m.Calls(), before+2)
			c.Forget()
		}
	})
}

func TestFetchTimeoutCancelsAndKeepsTheClass(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Hour})
		start := time.Now()
		_, err := c.Get(t.Context(), db)
		assert.Equal(t, 5*time.Second, time.Since(start))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's context did not end")
		assert.ErrorContains(t, err, "fetch timeout of 5s")
	})
	synctest.Test(t, func(t *testing.T) {
		c := cachettl.New(hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			<-ctx.Done()
			return hush.Secret{}, hush.NewError("p", ref, hush.ErrThrottled, ctx.Err())
		}), ttl, nil)
		_, err := c.Get(t.Context(), db)
		assert.Equal(t, hush.ErrThrottled, hush.ClassOf(err), "the class of the last response")
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestAProviderThatIgnoresItsContextBlocksNoGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wake := make(chan struct{})
		c := cachettl.New(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
			<-wake
			return hush.Secret{}, nil
		}), ttl, nil)
		start := time.Now()
		_, err := c.Get(t.Context(), db)
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, time.Since(start), 6*time.Second)
		require.NoError(t, c.Close(), "Close does not wait for the provider")
		close(wake)
	})
}

func TestAResponseAfterFetchTimeoutIsAnError(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		slow := cachettl.New(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
			time.Sleep(5 * time.Second)
			return hush.Secret{}, nil
		}), ttl, nil)
		_, err := slow.Get(t.Context(), db)
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.ErrorContains(t, err, "after the fetch timeout")
	})
}

func TestAPanicOrGoexitOfTheProviderIsUnavailable(t *testing.T) {
	for name, p := range map[string]hush.ProviderFunc{
		"*errors.errorString": func(context.Context, hush.Ref) (hush.Secret, error) { panic(errors.New("canary")) },
		"ended its goroutine": func(context.Context, hush.Ref) (hush.Secret, error) { runtime.Goexit(); return hush.Secret{}, nil },
	} {
		c := cachettl.New(p, ttl, nil)
		_, err := c.Get(t.Context(), db)
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.ErrorContains(t, err, name)
		assert.ErrorContains(t, err, `"`+db.Name+`"`)
		assert.Empty(t, providertest.Leaks(err, "canary"))
		require.NoError(t, c.Close())
	}
}

func TestAContextErrorOfTheStoreIsUnavailable(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for _, its := range []error{context.Canceled, context.DeadlineExceeded, hush.NewError("p", db, hush.ErrCanceled, context.Canceled)} {
			m.Script(step{Err: its})
			_, err := c.Get(t.Context(), db)
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
			assert.NotErrorIs(t, err, context.Canceled)
			assert.NotErrorIs(t, err, context.DeadlineExceeded)
		}
	})
}

func TestMaxEntriesEvictsUnusedEntriesFirst(t *testing.T) {
	withCache(t, &cachettl.Options{MaxEntries: 10}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		busy := hush.Name("s0")
		for i := range 50 {
			name := fmt.Sprintf("s%d", i)
			m.Put(name, []byte(name))
			assert.Equal(t, name, getText(t, c, hush.Name(name)))
			getText(t, c, busy)
			assert.LessOrEqual(t, c.Size(), 10)
		}
		assert.Equal(t, 10, c.Size())
		assert.Len(t, m.Calls(), 50, "an entry read since the last sweep is not evicted")
		_, err := c.Get(t.Context(), hush.Name("nope"))
		require.ErrorIs(t, err, hush.ErrNotFound)
		assert.Equal(t, 10, c.Size(), "an unknown name has no entry")
	})
}

func TestVersionsOfANameAreEvictedSeparately(t *testing.T) {
	withCache(t, &cachettl.Options{MaxEntries: 2}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Put("db", []byte("two"))
		m.Put("db", []byte("three"))
		for i, want := range []string{"one", "two", "three"} {
			assert.Equal(t, want, getText(t, c, hush.Ref{Name: "db", Version: fmt.Sprintf("v%d", i+1)}))
		}
		assert.Equal(t, 2, c.Size())
	})
}

func TestAnEntryWithARunningFetchIsNotEvicted(t *testing.T) {
	withCache(t, &cachettl.Options{MaxEntries: 1}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { getText(t, c, db) })
		synctest.Wait()
		for i := range 5 {
			name := fmt.Sprintf("s%d", i)
			m.Put(name, []byte(name))
			getText(t, c, hush.Name(name))
		}
		wg.Go(func() { getText(t, c, db) })
		wg.Wait()
		assert.Len(t, m.Calls(), 6)
		assert.Equal(t, 1, c.Size())
	})
}

func TestALeaseIsRefreshedAndNotServedPastItsEnd(t *testing.T) {
	withCache(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		leased := func(left time.Duration) step {
			return step{Secret: &hush.Secret{Value: hush.NewValue([]byte("lease")), Expires: time.Now().Add(left)}}
		}
		m.Script(leased(10*time.Second), step{Err: hush.ErrUnavailable})
		assert.Equal(t, "lease", getText(t, c, db))
		time.Sleep(20 * time.Second / 3)
		for range 3 {
			assert.Equal(t, "lease", getText(t, c, db))
			synctest.Wait()
		}
		assert.Len(t, m.Calls(), 2, "fetched again in the background after two thirds of its life")
		time.Sleep(10*time.Second/3 + 1)
		m.Script(leased(-time.Second))
		assert.Equal(t, "lease", getText(t, c, db), "returned once")
		assert.Equal(t, "one", getText(t, c, db), "not cached")
		assert.Len(t, m.Calls(), 4)
	})
}

func TestAFetchLongerThanTheTTLIsNotCached(t *testing.T) {
	withCache(t, &cachettl.Options{FetchTimeout: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: ttl})
		assert.Equal(t, "one", getText(t, c, db))
		assert.Equal(t, "one", getText(t, c, db))
		assert.Len(t, m.Calls(), 2)
	})
}
