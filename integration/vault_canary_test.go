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

// A recorder is a login that remembers the tokens that it got.
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

// TestVaultNothingIsSaid has a program with all that logs, in every way in which a
// real Vault can fail it, and looks for what it must not say: its value, tokens,
// secret id and wrapping token.
func TestVaultNothingIsSaid(t *testing.T) {
	s := startVault(t, vaultserver.Login{TTL: time.Hour})
	s.put("denied", map[string]any{"password": password})
	s.put("deleted", map[string]any{"password": password})
	s.Do("kv/delete/deleted", map[string]any{"versions": []int{1}})
	s.Policy("reader", `path "kv/data/*" { capabilities = ["read"] }
		path "kv/data/denied" { capabilities = ["deny"] }`)

	secretID, wrapped := s.SecretID("app"), s.WrappedSecretID("app", time.Minute)
	dead := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}})
	s.Revoke(dead)
	logins := &recorder{AuthMethod: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(secretID)))})}
	unwrapping := auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrapped))), Wrapped: true})
	var logs syncBuffer
	says := func(auth api.AuthMethod) hush.Provider {
		return loud(t, &logs, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth, Timeout: 500 * time.Millisecond}))
	}
	log.SetOutput(&logs)
	defer log.SetOutput(os.Stderr)

	var errs []error
	ask := func(p hush.Provider) {
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
	programs := []hush.Provider{says(logins), says(unwrapping), says(unwrapping), says(auth.Token(auth.Value(hush.NewValue([]byte(dead))))), says(nil)}
	all := func() {
		for _, p := range programs {
			ask(p)
		}
	}
	all()
	s.RevokeLogins("approle")
	all()
	s.Seal()
	all()
	s.Unseal()
	s.Stop()
	all()
	s.Resume()
	s.Restart()
	goOn := s.Hang()
	_, err := programs[0].Get(t.Context(), hush.Name("db"))
	errs = append(errs, err)
	goOn()
	all()

	hidden := append([]string{password, s.Root(), secretID, wrapped, dead}, logins.tokens...)
	assert.GreaterOrEqual(t, len(logins.tokens), 2)
	assert.Greater(t, len(errs), 100)
	for _, err := range errs {
		assert.Empty(t, providertest.Leaks(err, hidden...), "%v", err)
	}
	text := logs.String()
	assert.Greater(t, len(text), 10_000)
	for _, what := range hidden {
		assert.NotContains(t, text, what)
	}
}

// loud returns p behind a chain and a cache, with all that logs.
func loud(t *testing.T, logs io.Writer, p hush.Provider) hush.Provider {
	t.Helper()
	encoder := zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig())
	slogged := chain.SlogCalls(slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	c := chain.New([]chain.Link{{Name: "vault", Provider: p}}, &chain.Options{
		Logger:  zap.New(zapcore.NewCore(encoder, zapcore.AddSync(logs), zapcore.DebugLevel)),
		Breaker: chain.Breaker{Failures: -1}, // each failure is to be seen
		OnCall: func(ctx context.Context, call chain.Call) {
			slogged(ctx, call)
			_, _ = fmt.Fprintf(logs, "%+v\n%#v\n", call, call)
		},
	})
	cache := cachettl.New(c, time.Nanosecond, nil)
	t.Cleanup(func() { require.NoError(t, cache.Close()) })
	return cache
}

// A syncBuffer is a buffer that many write to.
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
