// Package canary searches every error and log line of a program for planted secrets, during
// every failure of its stores.
package canary

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

const (
	value   = "canary-value-5f1e"
	message = "canary-message-77ab"
	token   = "canary-token-c0de"
)

var hidden = []string{value, message, token, directtest.SecretAccessKey}

// codes are the error codes of Secrets Manager and of AWS in general.
var codes = []string{
	"ResourceNotFoundException", "InvalidRequestException", "InvalidParameterException", "ValidationException",
	"AccessDeniedException", "DecryptionFailure", "ExpiredTokenException", "UnrecognizedClientException",
	"InvalidSignatureException", "ThrottlingException", "InternalServiceError", "SomethingNew", message, "",
}

// failures returns failures of Secrets Manager that contain hidden texts.
func failures() map[string]directtest.Failure {
	all := map[string]directtest.Failure{
		"empty 429":      {Status: http.StatusTooManyRequests, Body: []byte{}},
		"dropped":        {Drop: true},
		"garbage 200":    {Status: http.StatusOK, Body: []byte(value + message)},
		"truncated 200":  {Status: http.StatusOK, Body: []byte(`{"Name":"db","SecretString":"` + value)},
		"invalid type":   {Status: http.StatusOK, Body: []byte(`{"Name":"db","SecretString":{"` + value + `":1}}`)},
		"invalid date":   {Status: http.StatusOK, Body: []byte(`{"Name":"db","CreatedDate":"` + value + `","SecretString":"x"}`)},
		"invalid base64": {Status: http.StatusOK, Body: []byte(`{"Name":"db","SecretBinary":"` + value + `!"}`)},
		"other name":     {Status: http.StatusOK, Body: []byte(`{"Name":"` + message + `","SecretString":"` + value + `"}`)},
	}
	for _, code := range codes {
		for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusInternalServerError} {
			for _, inHeader := range []bool{false, true} {
				all[fmt.Sprintf("%q %d %t", code, status, inHeader)] = directtest.Failure{
					Code: code, Status: status, InHeader: inHeader, Message: message,
				}
			}
		}
	}
	return all
}

// A program is a cache in front of a chain, with everything that it and its libraries log.
type program struct {
	*cachettl.Cache
	logs   *lockedBuffer
	hidden func() []string // texts that no error and no line may contain
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (*lockedBuffer) Sync() error { return nil }

func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.Reset()
	return b.String()
}

func start(t *testing.T, front *extension.Provider, store *directtest.Server) *program {
	t.Helper()
	return startChain(t, []chain.Link{
		{Name: "extension", Provider: front, Front: true},
		{Name: "direct", Provider: direct.New(store.Client(), &direct.Options{MaxAttempts: 1, Timeout: 5 * time.Second})},
		{Name: "env", Provider: env.New(&env.Options{Prefix: "HUSH_CANARY_"})},
	}, func() []string { return hidden })
}

func startChain(t *testing.T, links []chain.Link, hidden func() []string) *program {
	t.Helper()
	logs := &lockedBuffer{}
	log.SetOutput(logs) // of net/http and the SDK
	encoder := zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig())
	slogged := chain.SlogCalls(slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	c := chain.New(links, &chain.Options{
		Logger:  zap.New(zapcore.NewCore(encoder, logs, zapcore.DebugLevel)),
		Breaker: chain.Breaker{Failures: -1}, // each failure reaches each store
		OnCall: func(ctx context.Context, call chain.Call) {
			slogged(ctx, call)
			_, _ = fmt.Fprintf(logs, "%+v\n%#v\n", call, call)
		},
	})
	p := &program{Cache: cachettl.New(c, time.Nanosecond, nil), logs: logs, hidden: hidden}
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func client(url string, dialect extension.Dialect) *extension.Provider {
	return extension.New(&extension.Options{
		Endpoint: url, Dialect: dialect, ReadyWait: -1,
		Token: func(context.Context) (string, error) { return token, nil },
	})
}

// assertNoLeaks reads from p in every way and checks its errors and log lines.
func (p *program) assertNoLeaks(t *testing.T, why string) {
	t.Helper()
	for _, ref := range []hush.Ref{
		hush.Name("db"), hush.Name("db").Fresh(), {Name: "db", Version: "v"}, {Name: "db", Stage: "S"}, {Name: "db", Field: "f"},
	} {
		_, err := p.Get(t.Context(), ref)
		if err == nil {
			continue
		}
		p.assertClean(t, err, "%s: %s", why, ref)
	}
	lines := p.logs.take()
	assert.NotEmpty(t, lines)
	for _, text := range p.hidden() {
		assert.NotContains(t, lines, text, "%s: a log line", why)
	}
}

// assertClean checks that err contains no hidden text.
func (p *program) assertClean(t *testing.T, err error, why string, args ...any) {
	t.Helper()
	assert.Empty(t, providertest.Leaks(err, p.hidden()...), append([]any{why}, args...)...)
}

func TestNoSecretInAnyErrorOrLog(t *testing.T) {
	defer log.SetOutput(log.Writer())
	store, err := directtest.Start(nil)
	require.NoError(t, err)
	defer store.Close()
	store.Put("db", []byte(value))
	front := httptest.NewServer(agent.Handler(direct.New(store.Client(), &direct.Options{MaxAttempts: 1}), token, nil))
	defer front.Close()
	for _, dialect := range []extension.Dialect{extension.DialectAgent, extension.DialectLambda} {
		p := start(t, client(front.URL, dialect), store)
		for name, failure := range failures() {
			restore := store.Fail(failure)
			p.assertNoLeaks(t, name)
			restore()
		}
	}
	assert.Greater(t, store.Calls(directtest.Call{}), len(failures())*10, "each failure reaches the store")
}

// TestNoSecretInAnyErrorOrLogOfAnExtension uses an extension that sends arbitrary responses.
func TestNoSecretInAnyErrorOrLogOfAnExtension(t *testing.T) {
	defer log.SetOutput(log.Writer())
	store, err := directtest.Start(nil)
	require.NoError(t, err)
	defer store.Close()
	var status int
	var body string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Canary", message)
		w.Header().Set("Location", "http://127.0.0.1:1/"+message)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer front.Close()
	bodies := []string{
		"", message, value, "not ready to serve traffic, please wait" + message, `{"__type":"` + message + `","message":"` + message + `"}`,
		`{"__type":"AccessDeniedException","message":"` + message + `" unescaped"}`, `{"Name":"db","SecretString":"` + value + `"`,
		`{"Name":"other","SecretString":"` + value + `"}`, `{"Name":"db","SecretBinary":"` + value + `!"}`,
		`{"Name":"db","SecretString":` + value + `}`, `{"Name":"db","CreatedDate":"` + value + `"}`, `[` + value,
	}
	for _, dialect := range []extension.Dialect{extension.DialectAgent, extension.DialectLambda} {
		p := start(t, client(front.URL, dialect), store)
		for _, status = range []int{200, 301, 307, 400, 401, 403, 404, 405, 429, 500, 502, 503, 504} {
			for _, body = range bodies {
				p.assertNoLeaks(t, fmt.Sprintf("%d %s", status, body))
			}
		}
	}
}
