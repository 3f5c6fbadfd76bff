package chain_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/providertest"
)

// A store must not control the size of a log line or how a terminal shows it. Nor must a
// user with write access to the store.
func TestLogTextsAreBoundedAndPrintable(t *testing.T) {
	const hidden = "\u202e\u2066\u200b\x1b\n\xff"
	for name, text := range map[string]string{
		"long": strings.Repeat("v", 1<<20), "long, no UTF-8": strings.Repeat("\x80", 1<<20), "hidden": "a" + hidden + "b",
		"long and hidden": strings.Repeat(hidden, 1<<18),
	} {
		t.Run(name, func(t *testing.T) {
			var lines bytes.Buffer
			encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
			handler := slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})
			c := chain.New([]chain.Link{
				linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) { return hush.Secret{}, errors.New(text) }),
				linkFunc("b", func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
					if ref.Version != "" {
						return hush.Secret{}, errors.New(text)
					}
					return hush.Secret{Version: text}, nil
				}),
			}, &chain.Options{
				Logger: zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&lines), zap.DebugLevel)),
				OnCall: chain.SlogCalls(slog.New(handler)),
			})
			_, err := c.Get(t.Context(), hush.Name("db\u202e"))
			require.NoError(t, err)
			_, err = c.Get(t.Context(), hush.Ref{Name: "db", Version: "1"})
			require.Error(t, err)
			got := strings.Split(strings.TrimSpace(lines.String()), "\n")
			assert.Len(t, got, 2*5)
			for _, line := range got {
				assert.Less(t, len(line), 30_000)
				assert.False(t, strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%.200q", line)
			}
			assert.Contains(t, lines.String(), `db\\u202e`)
		})
	}
}

func TestNoOutputContainsValue(t *testing.T) {
	const canary = "canary-77"
	o, logs, calls := watch(zap.DebugLevel)
	var m providertest.Map
	m.Put("db", []byte(canary))
	c := chain.New([]chain.Link{front(returns("a", hush.ErrRefused)), {Name: "b", Provider: &m}}, o)
	_, err := c.Get(t.Context(), hush.Ref{Name: "db", Field: "user"})
	require.Error(t, err)
	assert.Empty(t, providertest.Leaks(err, canary))
	_, err = c.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	_, err = c.Get(t.Context(), hush.Name("other"))
	assert.Empty(t, providertest.Leaks(err, canary))
	for _, e := range logs.All() {
		assert.NotContains(t, fmt.Sprint(e.Message, e.ContextMap()), canary)
	}
	assert.NotContains(t, fmt.Sprintf("%+v", *calls), canary)
}
