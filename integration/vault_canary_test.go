package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
)

// A recorder is an auth method that records the tokens of its logins.
type recorder struct {
	api.AuthMethod

	mu     sync.Mutex
	tokens []string
}

func (r *recorder) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	secret, err := r.AuthMethod.Login(ctx, client)
	if err == nil && secret != nil && secret.Auth != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tokens = append(r.tokens, secret.Auth.ClientToken)
	}
	return secret, err
}

// TestVaultNoSecretInAnyErrorOrLog makes a real Vault fail in every way. No error and no log
// line may contain a value, a token, the secret ID or the wrapping token.
func TestVaultNoSecretInAnyErrorOrLog(t *testing.T) {
	s := startVault(t, vaultserver.Login{TTL: time.Hour})
	s.put("denied", map[string]any{"password": password})
	s.put("deleted", map[string]any{"password": password})
	s.Write("kv/delete/deleted", map[string]any{"versions": []int{1}})
	s.Policy("reader", `path "kv/data/*" { capabilities = ["read"] }
		path "kv/data/denied" { capabilities = ["deny"] }`)

	secretID, wrapped := s.SecretID("app"), s.WrappedSecretID("app", time.Minute)
	revoked := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}})
	s.Revoke(revoked)
	logins := &recorder{AuthMethod: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(secretID)))})}
	unwrapping := auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrapped))), Wrapped: true})
	var logs syncBuffer
	program := func(auth api.AuthMethod) hush.Provider {
		return withLogs(t, &logs, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth, Timeout: 500 * time.Millisecond}))
	}
	log.SetOutput(&logs)
	defer log.SetOutput(os.Stderr)

	var errs []error
	readAll := func(p hush.Provider) {
		for _, ref := range []hush.Ref{
			hush.Name("db"), hush.Name("denied"), hush.Name("deleted"), hush.Name("missing"),
			{Name: "db", Version: "7"},
			{Name: "db", Stage: "S"},
			{Name: "db", Field: "none"},
			{Name: "db", Field: "/password/x"},
			hush.Name("../db"),
		} {
			if _, err := p.Get(t.Context(), ref.Fresh()); err != nil {
				errs = append(errs, err)
			}
		}
	}
	programs := []hush.Provider{program(logins), program(unwrapping), program(unwrapping), program(auth.Token(auth.Value(hush.NewValue([]byte(revoked))))), program(nil)}
	readFromAll := func() {
		for _, p := range programs {
			readAll(p)
		}
	}
	readFromAll()
	s.RevokeLogins("approle")
	readFromAll()
	s.Seal()
	readFromAll()
	s.Unseal()
	s.Stop()
	readFromAll()
	s.Resume()
	s.Restart()
	restore := s.Hang()
	_, err := programs[0].Get(t.Context(), hush.Name("db"))
	errs = append(errs, err)
	restore()
	readFromAll()

	hidden := append([]string{password, s.Root(), secretID, wrapped, revoked}, logins.tokens...)
	assert.GreaterOrEqual(t, len(logins.tokens), 2)
	assert.Greater(t, len(errs), 100)
	for _, err := range errs {
		assert.Empty(t, providertest.Leaks(err, hidden...), "%v", err)
	}
	text := logs.String()
	assert.Greater(t, len(text), 10_000)
	for _, secret := range hidden {
		assert.NotContains(t, text, secret)
	}
}

// withLogs returns p behind a cache and a chain that log everything.
func withLogs(t *testing.T, logs io.Writer, p hush.Provider) hush.Provider {
	t.Helper()
	encoder := zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig())
	slogged := chain.SlogCalls(slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	c := chain.New([]chain.Link{{Name: "vault", Provider: p}}, &chain.Options{
		Logger:  zap.New(zapcore.NewCore(encoder, zapcore.AddSync(logs), zapcore.DebugLevel)),
		Breaker: chain.Breaker{Failures: -1}, // each read reaches p
		OnCall: func(ctx context.Context, call chain.Call) {
			slogged(ctx, call)
			_, _ = fmt.Fprintf(logs, "%+v\n%#v\n", call, call)
		},
	})
	cache := cachettl.New(c, time.Nanosecond, nil)
	t.Cleanup(func() { require.NoError(t, cache.Close()) })
	return cache
}

// A syncBuffer is a buffer for concurrent writes.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
