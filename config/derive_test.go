package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/providertest"
)

// TestGetDerived counts the calls of derive with and without a cache.
func TestGetDerived(t *testing.T) {
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
