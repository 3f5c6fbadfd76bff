package chain_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// constant is as little as a Provider can do.
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
		for _, ref := range []hush.Ref{ref, ref.Fresh()} {
			allocs := testing.AllocsPerRun(100, func() { _, _ = c.Get(ctx, ref) })
			assert.Zero(t, allocs, name)
		}
	}
}

// BenchmarkHealthy reports, beside the time of a call, what the chain adds to a
// direct call of its first link.
func BenchmarkHealthy(b *testing.B) {
	floor := constant()
	for _, bench := range []struct {
		name string
		p    hush.Provider
	}{
		{"direct", floor},
		{"links=1", healthy(1, nil)},
		{"links=3", healthy(3, nil)},
		{"links=3/log=info", healthy(3, logger(zap.InfoLevel))},
		{"links=3/log=debug", healthy(3, logger(zap.DebugLevel))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			calls(b, bench.p)
			took := b.Elapsed()
			b.StopTimer()
			start := time.Now()
			calls(b, floor)
			b.ReportMetric(float64(took-time.Since(start))/float64(b.N), "ns-over-link")
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
	c := chain.New([]chain.Link{says("direct", hush.ErrUnavailable), {Name: "env", Provider: constant()}}, nil)
	b.ReportAllocs()
	calls(b, c)
}
