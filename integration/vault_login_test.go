package integration_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
)

const manyReaders = 64

func TestVaultTokenRevokedInUse(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	p := s.kv(t)
	load := startReaders(t, manyReaders, func(ctx context.Context) error { return readsDB(ctx, p) })
	load.await(t)
	const rounds = 5
	for n := 1; n <= rounds; n++ {
		require.Equal(t, n, s.Logins(), "one login for each token")
		s.RevokeLogins("approle")
		load.await(t)
	}
	assert.Empty(t, load.failed(), "no read failed")
	assert.Equal(t, rounds+1, s.Logins())
	t.Logf("%d reads", load.total())
}

func TestVaultTokenExpires(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	s := startVault(t, vaultserver.Login{TTL: ttl, MaxTTL: ttl})
	p := s.kv(t)
	began := time.Now()
	load := startReaders(t, 8, func(ctx context.Context) error { return readsDB(ctx, p) })
	eventually(t, "two tokens expire", func() bool { return s.Logins() >= 3 })
	load.await(t)
	assert.Empty(t, load.failed())
	logins := s.Logins()
	assert.LessOrEqual(t, logins, 1+int(time.Since(began)/(ttl*8/10)), "one for each token")

	eventually(t, "only root has a token", func() bool { return len(s.List("auth/token/accessors")) == 1 })
	require.NoError(t, readsDB(t.Context(), p), "after a pause in which the token ended")
	assert.Equal(t, logins+1, s.Logins())
}

func TestVaultTokenIsRenewed(t *testing.T) {
	t.Parallel()
	const period, periods = 8 * time.Second, 3 // a machine that stands still for more than 2 s can make it fail
	s := startVault(t, vaultserver.Login{Period: period})
	given := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}, Period: period.String()})
	client := s.newClient(t)
	client.SetToken(given)
	own, other := s.kv(t), s.watched(t, vault.New(client, &vault.Options{Mount: "kv"}), given)
	load := startReaders(t, 4, func(ctx context.Context) error {
		pause(ctx, 5*time.Millisecond)
		return errors.Join(readsDB(ctx, own), readsDB(ctx, other))
	})
	began := time.Now()
	eventually(t, "the periods pass", func() bool { return time.Since(began) > periods*period })
	assert.Empty(t, load.failed())
	assert.Equal(t, 1, s.Logins(), "a periodic token never ends")
	renewals := s.Calls("/v1/auth/token/renew-self")
	assert.GreaterOrEqual(t, renewals, 2*periods, "of both tokens, in each period")
	assert.LessOrEqual(t, renewals, 2*2*periods, "and no more than is needed")
}

func TestVaultTokenGiven(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	given := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}})
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.Token(auth.Value(hush.NewValue([]byte(given))))}), given)
	require.NoError(t, readsDB(t.Context(), p))
	s.Revoke(given)
	fails(t, p, hush.Name("db"), hush.ErrUnauthenticated)

	wrong := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.Token(auth.Value(hush.NewValue([]byte("hvs.no-such-token"))))}), "hvs.no-such-token")
	fails(t, wrong, hush.Name("db"), hush.ErrUnauthenticated)
	none := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv"}))
	fails(t, none, hush.Name("db"), hush.ErrUnauthenticated)
}

// TestVaultTokenFile has an agent that puts a token into a file and another one
// there when the first is dead.
func TestVaultTokenFile(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	file := filepath.Join(t.TempDir(), "token")
	first, second := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}}), s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}})
	require.NoError(t, os.WriteFile(file, []byte(first+"\n"), 0o600))
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.Token(auth.File(file))}), first, second)
	require.NoError(t, readsDB(t.Context(), p))
	s.Revoke(first)
	fails(t, p, hush.Name("db"), hush.ErrUnauthenticated)
	require.NoError(t, os.WriteFile(file+".new", []byte(second), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
	require.NoError(t, readsDB(t.Context(), p))
	assert.Zero(t, s.Logins())
}

func TestVaultWrappedSecretID(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	wrapped := s.WrappedSecretID("app", time.Minute)
	provider := func() hush.Provider {
		return s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrapped))), Wrapped: true})}), wrapped)
	}
	p := provider()
	load := startReaders(t, 16, func(ctx context.Context) error { return readsDB(ctx, p) })
	load.await(t)
	s.RevokeLogins("approle")
	load.await(t)
	assert.Empty(t, load.failed())
	assert.Equal(t, 2, s.Logins(), "the second by the secret id that the first unwrapped")
	assert.Equal(t, 1, s.Calls("/v1/sys/wrapping/unwrap"))

	late := provider()
	fails(t, late, hush.Name("db"), hush.ErrUnauthenticated, "wrap")
}

// TestVaultWrappedByAnother: what is unwrapped must be a secret id of the method,
// or anyone could hand out a wrapping of their own.
func TestVaultWrappedByAnother(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	for _, path := range []string{"sys/wrapping/wrap", "auth/token/create"} {
		wrapped := s.Wrap(path, map[string]any{"secret_id": "of another"}, time.Minute)
		p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrapped))), Wrapped: true})}), wrapped)
		fails(t, p, hush.Name("db"), hush.ErrUnauthenticated, "wrap")
	}
	assert.Zero(t, s.Calls("/v1/sys/wrapping/unwrap"))
	assert.Zero(t, s.Logins())
}

// TestVaultWrappedFile has an orchestrator that delivers a new wrapping token when
// the secret id is worth nothing any more.
func TestVaultWrappedFile(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	file := filepath.Join(t.TempDir(), "wrapped")
	deliver := func() {
		require.NoError(t, os.WriteFile(file+".new", []byte(s.WrappedSecretID("app", time.Minute)+"\n"), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	deliver()
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.File(file), Wrapped: true})}))
	require.NoError(t, readsDB(t.Context(), p))
	for _, accessor := range s.List("auth/approle/role/app/secret-id") {
		s.Do("auth/approle/role/app/secret-id-accessor/destroy", map[string]any{"secret_id_accessor": accessor})
	}
	s.RevokeLogins("approle")
	fails(t, p, hush.Name("db"), hush.ErrUnauthenticated)
	deliver()
	eventually(t, "the new one is used", func() bool { return readsDB(t.Context(), p) == nil })
}

func TestVaultAppRoleRefused(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	const wrong = "canary-77d0-secret-id"
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrong)))})}), wrong)
	began := time.Now()
	for range 20 {
		fails(t, p, hush.Name("db"), hush.ErrUnauthenticated)
	}
	assert.LessOrEqual(t, s.Logins(), 1+int(time.Since(began)/time.Second), "a login that was refused is not tried again at once")
	s.Do("auth/approle/role/app/custom-secret-id", map[string]any{"secret_id": wrong})
	eventually(t, "it is tried again later", func() bool { return readsDB(t.Context(), p) == nil })
}
