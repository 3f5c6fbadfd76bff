package bench_test

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

const (
	loadFields    = 50 // fields of the struct of BenchmarkLoad
	getAllSecrets = 20 // secrets of BenchmarkGetAll
)

// BenchmarkLoad compares Load of a struct with fifty fields with fifty Gets, from a warm cache.
func BenchmarkLoad(b *testing.B) {
	ctx, c := context.Background(), newHush(b, nil)
	fields, from := make([]reflect.StructField, loadFields), make([]hush.Ref, loadFields)
	for i := range fields {
		from[i] = hush.Name(fmt.Sprintf("prod/orders/db-%d", i/5)) // five fields of each secret
		from[i].Field = "password"
		fields[i] = reflect.StructField{
			Name: fmt.Sprintf("Field%d", i), Type: reflect.TypeFor[hush.Value](),
			Tag: reflect.StructTag(fmt.Sprintf("secret:%q", from[i].String())),
		}
	}
	into := reflect.New(reflect.StructOf(fields)).Interface()
	measure(b, "Load", func() error { return hush.Load(ctx, c, into) })
	measure(b, "Gets", func() error { return getEach(ctx, c, from) })
}

// BenchmarkGetAll compares GetAll of twenty secrets with twenty Gets, from a warm cache.
func BenchmarkGetAll(b *testing.B) {
	ctx, c, all := context.Background(), newHush(b, nil), refs(getAllSecrets)
	measure(b, "GetAll", func() error { return hush.Errors(hush.GetAll(ctx, c, all...)) })
	measure(b, "Gets", func() error { return getEach(ctx, c, all) })
}

func getEach(ctx context.Context, p hush.Provider, refs []hush.Ref) error {
	for _, ref := range refs {
		if _, err := p.Get(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkLogLine compares a call that a chain logs with zap writing the same fields.
func BenchmarkLogLine(b *testing.B) {
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	log := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(io.Discard), zap.DebugLevel))
	c := chain.New([]chain.Link{{Name: "direct", Provider: constant()}}, &chain.Options{Logger: log})
	ctx, ref := context.Background(), hush.Name("db/prod")
	measure(b, "chain", func() error { _, err := c.Get(ctx, ref); return err })
	measure(b, "zap", func() error {
		log.Debug("secret call", zap.String("provider", "direct"), zap.String("secret", ref.String()),
			zap.String("outcome", "ok"), zap.Duration("latency", time.Microsecond), zap.String("version", "v1"),
			zap.Int("attempt", 1), zap.Bool("front", false), zap.Bool("fallback", false))
		return nil
	})
}

// measure makes the first call before the timer starts.
func measure(b *testing.B, name string, call func() error) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		if err := call(); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
