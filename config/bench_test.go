package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
)

// BenchmarkGet compares a store with the chain and the cache that Open puts in front of
// it.
func BenchmarkGet(b *testing.B) {
	store := hush.Static(map[string]string{"db": "hunter2"})
	bench := func(name string, p hush.Provider) {
		b.Run(name, func(b *testing.B) {
			ctx, ref := b.Context(), hush.Name("db")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Get(ctx, ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("store", store)
	for name, ttl := range map[string]time.Duration{"opened": -1, "opened, cache": time.Hour} {
		p, err := config.Open(b.Context(), &config.Config{Providers: []config.Store{{URL: "static"}}, CacheTTL: ttl}, opens("static", store))
		require.NoError(b, err)
		bench(name, p)
		require.NoError(b, p.Close())
	}
}
