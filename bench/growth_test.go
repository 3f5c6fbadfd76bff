package bench_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/maypok86/otter/v2"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

// BenchmarkEntries reads all secrets of caches of increasing size.
func BenchmarkEntries(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		for _, c := range caches {
			if !slices.Contains([]string{"hush", "otter", "syncmap+clock"}, c.name) {
				continue
			}
			b.Run(fmt.Sprintf("n=%d/%s", n, c.name), func(b *testing.B) {
				r := c.open(b, refs(n))
				warm(b, c.name, r, n)
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					i = (i + 7919) % n // a prime, because the order must differ from the order in memory
					if _, err := r(i); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkMiss reads secrets that are not in a full cache, from a store without latency. Each
// read is a fetch, an insertion and an eviction.
func BenchmarkMiss(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1000, 100_000} {
		c := newHush(b, &cachettl.Options{MaxEntries: n})
		o, err := otter.New(&otter.Options[hush.Ref, hush.Secret]{
			MaximumSize:      n,
			ExpiryCalculator: otter.ExpiryWriting[hush.Ref, hush.Secret](ttl),
		})
		require.NoError(b, err)
		b.Cleanup(func() { o.StopAllGoroutines() })
		loader := otter.LoaderFunc[hush.Ref, hush.Secret](constant().Get)
		misses(b, fmt.Sprintf("n=%d/hush", n), n, func(ref hush.Ref) error { _, err := c.Get(ctx, ref); return err })
		misses(b, fmt.Sprintf("n=%d/otter", n), n, func(ref hush.Ref) error { _, err := o.Get(ctx, ref, loader); return err })
	}
}

func misses(b *testing.B, name string, n int, get func(hush.Ref) error) {
	b.Helper()
	next := 0
	miss := func(b *testing.B) {
		b.Helper()
		next++
		if err := get(hush.Name(strconv.Itoa(next))); err != nil {
			b.Fatal(err)
		}
	}
	for range n {
		miss(b)
	}
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			miss(b)
		}
	})
}

// BenchmarkLinks reads from chains of increasing length. Either the first or only the last link
// has the secret.
func BenchmarkLinks(b *testing.B) {
	ctx, ref := context.Background(), hush.Name("db/prod")
	missing := hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) { return hush.Secret{}, hush.ErrNotFound })
	for _, n := range []int{1, 2, 4, 8} {
		for _, found := range []string{"first", "last"} {
			links := make([]chain.Link, n)
			for i := range links {
				links[i] = chain.Link{Name: "store" + strconv.Itoa(i), Provider: missing}
			}
			links[map[string]int{"first": 0, "last": n - 1}[found]].Provider = constant()
			c := chain.New(links, nil)
			b.Run(fmt.Sprintf("found=%s/n=%d", found, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Get(ctx, ref); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
