// Package bench measures hush beside its peers, in one run and with one key type:
// ratios on one machine mean something, nanoseconds on two do not. The command
// ratios below it tabulates them.
package bench_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
)

const (
	ttl  = time.Hour
	held = 100 // secrets in each cache
)

// A getter is a cache that holds secrets 0 to held-1 by name.
type getter struct {
	name string
	get  func(context.Context, hush.Ref) (hush.Secret, error)
}

var errMiss = errors.New("a hit was expected")

func ref(i int) hush.Ref { return hush.Name(fmt.Sprintf("prod/orders/db-%d", i)) }

func store() hush.Provider {
	secrets := map[string]string{}
	for i := range held {
		secrets[ref(i).Name] = `{"user":"app","password":"correct horse"}`
	}
	return hush.Static(secrets)
}

func getters(tb testing.TB) []getter {
	tb.Helper()
	cache := cachettl.New(store(), ttl, nil)
	tb.Cleanup(func() { require.NoError(tb, cache.Close()) })
	return []getter{
		{"hush", cache.Get},
		{"otter", ottered(tb, store())},
		{"syncmap", mapped(tb, store(), false)},
		{"syncmap+clock", mapped(tb, store(), true)},
	}
}

// ottered is otter as one would put it in front of a store: a loading Get, entries
// bounded in number and time.
func ottered(tb testing.TB, next hush.Provider) func(context.Context, hush.Ref) (hush.Secret, error) {
	tb.Helper()
	cache, err := otter.New(&otter.Options[hush.Ref, hush.Secret]{
		MaximumSize:      1000,
		ExpiryCalculator: otter.ExpiryWriting[hush.Ref, hush.Secret](ttl),
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { cache.StopAllGoroutines() })
	loader := otter.LoaderFunc[hush.Ref, hush.Secret](next.Get)
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) { return cache.Get(ctx, ref, loader) }
}

// mapped is the floor: a map that never evicts, loads and shares nothing, with or
// without a look at the clock for the TTL.
func mapped(tb testing.TB, next hush.Provider, clock bool) func(context.Context, hush.Ref) (hush.Secret, error) {
	tb.Helper()
	type entry struct {
		secret  hush.Secret
		expires time.Time
	}
	var entries sync.Map
	for i := range held {
		secret, err := next.Get(context.Background(), ref(i))
		require.NoError(tb, err)
		entries.Store(ref(i), &entry{secret, time.Now().Add(ttl)})
	}
	return func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		v, ok := entries.Load(ref)
		if !ok {
			return hush.Secret{}, errMiss
		}
		e, ok := v.(*entry)
		if !ok || clock && !time.Now().Before(e.expires) {
			return hush.Secret{}, errMiss
		}
		return e.secret, nil
	}
}

// warm fills g, and sees that it answers with the secrets.
func warm(tb testing.TB, g getter) {
	tb.Helper()
	for i := range held {
		for range 2 {
			secret, err := g.get(context.Background(), ref(i))
			require.NoError(tb, err)
			require.Equal(tb, 41, secret.Value.Len())
		}
	}
}

func BenchmarkHit(b *testing.B) {
	for _, g := range getters(b) {
		b.Run(g.name, func(b *testing.B) {
			warm(b, g)
			ctx, ref := context.Background(), ref(held/2)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.get(ctx, ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHitParallel(b *testing.B) {
	for _, g := range getters(b) {
		b.Run(g.name, func(b *testing.B) {
			warm(b, g)
			ctx, ref := context.Background(), ref(held/2)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := g.get(ctx, ref); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// TestPeersAnswer keeps the comparison honest: each peer answers what the store
// holds before it is timed.
func TestPeersAnswer(t *testing.T) {
	for _, g := range getters(t) {
		warm(t, g)
	}
}
