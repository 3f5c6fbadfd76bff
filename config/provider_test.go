package config_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/providertest"
)

func TestTheCacheIsOnByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &providertest.Map{}
		store.Put("db", []byte("hunter2"))
		p := open(t, &config.Config{}, opens("memory", store))
		get := func() (hush.Secret, error) { return p.Get(t.Context(), hush.Name("db")) }
		for range 3 {
			_, err := get()
			require.NoError(t, err)
		}
		assert.Len(t, store.Calls(), 1)
		time.Sleep(5*time.Minute + time.Second)
		_, err := get()
		require.NoError(t, err)
		assert.Len(t, store.Calls(), 2, "the default of CacheTTL is 5 m")

		store.Always(providertest.Step{Err: hush.ErrUnavailable})
		time.Sleep(time.Hour)
		secret, err := get()
		require.NoError(t, err)
		assert.True(t, secret.Stale)
		time.Sleep(10 * time.Minute)
		_, err = get()
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "the default of StaleIfError is 1 h")
	})
}

func TestANegativeCacheTTLDisablesTheCache(t *testing.T) {
	store := &providertest.Map{}
	store.Put("db", []byte("hunter2"))
	p := open(t, &config.Config{CacheTTL: -1}, opens("memory", store))
	for range 3 {
		_, err := p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
	}
	assert.Len(t, store.Calls(), 3)
	assert.Nil(t, p.Cache())
	p.Forget()
	assert.NotNil(t, p.Chain())
}

func TestTheProviderHasACopyOfTheConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rotated := &providertest.Map{}, 0
		c := &config.Config{Cache: cachettl.Options{OnRotate: func(hush.Ref, hush.Secret, hush.Secret) { rotated++ }}}
		p := open(t, c, opens("memory", store))
		*c = config.Config{}
		for range 2 {
			store.Put("db", []byte("hunter2"))
			_, err := p.Get(t.Context(), hush.Name("db").Fresh())
			require.NoError(t, err)
		}
		synctest.Wait() // for OnRotate
		assert.Equal(t, 1, rotated)
	})
}

func TestForgetRemovesSecrets(t *testing.T) {
	store := &providertest.Map{}
	p := open(t, &config.Config{}, opens("memory", store))
	for _, forget := range [][]hush.Ref{nil, {hush.Name("db")}} {
		version := store.Put("db", []byte("hunter2"))
		p.Forget(forget...)
		secret, err := p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, version, secret.Version)
	}
}

func TestCloseClosesTheStoresInReverseOrder(t *testing.T) {
	var log []string
	broken := errors.New("broken")
	a := opens("a", closing{hush.Static(map[string]string{"db": "x"}), "a", &log, broken})
	b := opens("b", closing{hush.Static(nil), "b", &log, nil})
	for _, ttl := range []time.Duration{-1, time.Minute} {
		log = nil
		p, err := config.Open(t.Context(), &config.Config{Providers: storesOf(a, b), CacheTTL: ttl}, a, b)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		require.ErrorIs(t, p.Close(), broken)
		assert.Equal(t, []string{"b", "a"}, log)
		require.NoError(t, p.Close(), "the second time")
		assert.Len(t, log, 2)
		_, err = p.Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		for _, result := range p.GetBatch(t.Context(), []hush.Ref{hush.Name("db"), hush.Name("x")}) {
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(result.Err))
		}
	}
}

func TestCloseEndsFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, &config.Config{}, opens("hang", hush.ProviderFunc(hangs)))
		start, ended := time.Now(), make(chan error)
		go func() {
			_, err := p.Get(context.Background(), hush.Name("db"))
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, p.Close())
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(<-ended))
		assert.Zero(t, time.Since(start))
	})
}

// TestGetDerivedKeepsValuesOnlyInTheCache counts the calls of derive with and without a cache.
func TestGetDerivedKeepsValuesOnlyInTheCache(t *testing.T) {
	type key struct{}
	for ttl, want := range map[time.Duration]int{time.Hour: 2, -1: 3} {
		var store providertest.Map
		store.Put("db", []byte("one"))
		p := open(t, &config.Config{CacheTTL: ttl}, opens("memory", &store))
		calls := 0
		get := func() (any, error) {
			return p.GetDerived(t.Context(), hush.Name("db"), key{}, func(s hush.Secret) any {
				calls++
				return s.Value
			})
		}
		for range 2 {
			value, err := get()
			require.NoError(t, err)
			assert.Equal(t, "one", value.(hush.Value).Reveal())
		}
		p.Forget()
		store.Put("db", []byte("two"))
		value, err := get()
		require.NoError(t, err)
		assert.Equal(t, "two", value.(hush.Value).Reveal())
		assert.Equal(t, want, calls)
		require.NoError(t, p.Close())
		_, err = get()
		assert.ErrorIs(t, err, hush.ErrUnavailable)
		assert.Equal(t, want, calls)
	}
}

func TestStoresReturnsACopy(t *testing.T) {
	p := open(t, &config.Config{}, responds("env", 0))
	p.Stores()[0].Name = "changed"
	assert.Equal(t, "env", p.Stores()[0].Name)
}
