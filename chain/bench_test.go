package chain_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// constant returns the fastest possible Provider.
func constant() hush.Provider {
	secret := hush.Secret{Value: hush.NewValue([]byte("hunter2")), Version: "v1"}
	return hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) { return secret, nil })
}

func healthy(n int, log *zap.Logger) *chain.Chain {
	var links []chain.Link
	for _, name := range []string{"extension", "direct", "env"}[:n] {
		links = append(links, chain.Link{Name: name, Provider: constant()})
	}
	return chain.New(links, &chain.Options{Logger: log})
}

func logger(level zapcore.Level) *zap.Logger {
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(io.Discard), level))
}

func TestHealthyChainAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ref := hush.Name("db/prod")
	for name, c := range map[string]*chain.Chain{
		"one link": healthy(1, nil), "three links": healthy(3, nil),
		"a logger that is off": healthy(3, logger(zap.FatalLevel)), "a logger above Debug": healthy(3, logger(zap.InfoLevel)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, ref := range []hush.Ref{ref, ref.Fresh()} {
				allocs := testing.AllocsPerRun(100, func() { _, _ = c.Get(ctx, ref) })
				assert.Zero(t, allocs, name)
			}
		})
	}
}

// BenchmarkHealthy also reports the time that the chain adds to a direct call of its first
// link.
func BenchmarkHealthy(b *testing.B) {
	for _, bench := range []struct {
		name string
		p    hush.Provider
	}{
		{"direct", constant()},
		{"links=1", healthy(1, nil)},
		{"links=3", healthy(3, nil)},
		{"links=3/log=info", healthy(3, logger(zap.InfoLevel))},
		{"links=3/log=debug", healthy(3, logger(zap.DebugLevel))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			calls(b, bench.p)
			b.StopTimer()
			b.ReportMetric(overLink(b, bench.p), "ns-over-link")
		})
	}
}

// overLink returns the median of how much longer a call of p takes than one of its link,
// in nanoseconds. Short alternating rounds keep other load of the machine out of it.
func overLink(b *testing.B, p hush.Provider) float64 {
	b.Helper()
	const size = 500
	ctx, ref, link := b.Context(), hush.Name("db/prod"), constant()
	took := func(p hush.Provider) time.Duration {
		start := time.Now()
		for range size {
			_, _ = p.Get(ctx, ref)
		}
		return time.Since(start)
	}
	rounds := make([]time.Duration, b.N/size+1)
	for i := range rounds {
		rounds[i] = took(p) - took(link)
	}
	slices.Sort(rounds)
	return float64(rounds[len(rounds)/2]) / size
}

// BenchmarkHealthyParallel shows with -cpu 1,2 that calls scale: while its link is
// healthy, a call writes no memory that another core reads.
func BenchmarkHealthyParallel(b *testing.B) {
	for name, c := range map[string]*chain.Chain{"log=none": healthy(3, nil), "log=info": healthy(3, logger(zap.InfoLevel))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				ctx, ref := b.Context(), hush.Name("db/prod")
				for pb.Next() {
					_, _ = c.Get(ctx, ref)
				}
			})
		})
	}
}

func calls(b *testing.B, p hush.Provider) {
	b.Helper()
	ctx, ref := b.Context(), hush.Name("db/prod")
	for range b.N {
		if _, err := p.Get(ctx, ref); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFallback(b *testing.B) {
	c := chain.New([]chain.Link{returns("direct", hush.ErrUnavailable), {Name: "env", Provider: constant()}},
		&chain.Options{Breaker: chain.Breaker{Failures: -1}})
	b.ReportAllocs()
	calls(b, c)
}

// inOutage returns a chain whose first n links have an open breaker. The last link returns
// the secret.
func inOutage(tb testing.TB, n int, log *zap.Logger) *chain.Chain {
	tb.Helper()
	o := chain.Options{Logger: log, Breaker: chain.Breaker{Wait: 24 * time.Hour}}
	o.SetJitter(func(most time.Duration) time.Duration { return most })
	var links []chain.Link
	down := true
	for i := range n {
		links = append(links, linkFunc(fmt.Sprint("store", i), func(context.Context, hush.Ref) (hush.Secret, error) {
			if !down {
				tb.Error("a link was called whose breaker is open")
			}
			return hush.Secret{}, hush.ErrUnavailable
		}))
	}
	c := chain.New(append(links, chain.Link{Name: "env", Provider: constant()}), &o)
	for range 5 {
		_, err := c.Get(tb.Context(), hush.Name("db"))
		require.NoError(tb, err)
	}
	down = false
	return c
}

func TestSkippedLinkAllocatesNothing(t *testing.T) {
	ref := hush.Name("db/prod")
	for name, c := range map[string]*chain.Chain{
		"one": inOutage(t, 1, nil), "three": inOutage(t, 3, nil),
		"a logger above Info": inOutage(t, 3, logger(zap.WarnLevel)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, ref := range []hush.Ref{ref, ref.Fresh()} {
				allocs := testing.AllocsPerRun(100, func() {
					if got, err := c.Get(t.Context(), ref); err != nil || got.Source != "env" || !got.FromFallback {
						t.Error(got.Source, err)
					}
				})
				assert.Zero(t, allocs, name)
			}
		})
	}
}

// A skipped link needs no allocation in addition to that of a link that fails.
func TestSkippedLinkAddsNoAllocation(t *testing.T) {
	ref := hush.Name("db/prod")
	absent, env := returns("absent", hush.ErrAbsent), chain.Link{Name: "env", Provider: constant()}
	open := chain.Link{Name: "open", Provider: returns("open", hush.ErrUnavailable).Provider}
	allocs := func(links ...chain.Link) float64 {
		o := chain.Options{Breaker: chain.Breaker{Wait: 24 * time.Hour}}
		o.SetJitter(func(most time.Duration) time.Duration { return most })
		c := chain.New(links, &o)
		get := func() { _, _ = c.Get(t.Context(), ref) }
		for range 5 {
			get()
		}
		return testing.AllocsPerRun(100, get)
	}
	assert.InDelta(t, allocs(absent, env), allocs(absent, open, env), 0)
	assert.InDelta(t, allocs(absent, env), allocs(open, absent, env), 0)
}

// BenchmarkSkipped is a Get past open breakers. With the log at Info, the call of the later
// store is logged, and the skipped links are not.
func BenchmarkSkipped(b *testing.B) {
	for _, bench := range []struct {
		name string
		p    hush.Provider
	}{
		{"links=1", inOutage(b, 1, nil)},
		{"links=3", inOutage(b, 3, nil)},
		{"links=3/log=info", inOutage(b, 3, logger(zap.InfoLevel))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			calls(b, bench.p)
		})
	}
	b.Run("parallel", func(b *testing.B) {
		c := inOutage(b, 1, nil)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			ctx, ref := b.Context(), hush.Name("db/prod")
			for pb.Next() {
				_, _ = c.Get(ctx, ref)
			}
		})
	})
}
