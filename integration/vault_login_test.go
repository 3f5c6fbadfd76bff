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

func TestVaultLogsInAfterRevocation(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	p := s.kv(t)
	load := startReaders(t, manyReaders, func(ctx context.Context) error { return readDB(ctx, p) })
	load.awaitReads(t)
	const rounds = 5
	for n := 1; n <= rounds; n++ {
		require.Equal(t, n, s.Logins(), "one login for each token")
		s.RevokeLogins("approle")
		load.awaitReads(t)
	}
	assert.Empty(t, load.failed(), "no read failed")
	assert.Equal(t, rounds+1, s.Logins())
	t.Logf("%d reads", load.total())
}

func TestVaultLogsInBeforeTokenExpires(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	s := startVault(t, vaultserver.Login{TTL: ttl, MaxTTL: ttl})
	p := s.kv(t)
	start := time.Now()
	load := startReaders(t, 8, func(ctx context.Context) error { return readDB(ctx, p) })
	eventually(t, "two tokens expire", func() bool { return s.Logins() >= 3 })
	load.awaitReads(t)
	assert.Empty(t, load.failed())
	logins := s.Logins()
	assert.LessOrEqual(t, logins, 1+int(time.Since(start)/(ttl*8/10)), "one login for each token")

	eventually(t, "the token expires", func() bool { return len(s.List("auth/token/accessors")) == 1 })
	require.NoError(t, readDB(t.Context(), p), "after the token has expired")
	assert.Equal(t, logins+1, s.Logins())
}

func TestVaultRenewsToken(t *testing.T) {
	t.Parallel()
	const period, periods = 8 * time.Second, 3 // a pause of the machine of more than 2 s can make the test fail
	s := startVault(t, vaultserver.Login{Period: period})
	token := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}, Period: period.String()})
	client := s.newClient(t)
	client.SetToken(token)
	login, static := s.kv(t), s.watched(t, vault.New(client, &vault.Options{Mount: "kv"}), token)
	load := startReaders(t, 4, func(ctx context.Context) error {
		pause(ctx, 5*time.Millisecond)
		return errors.Join(readDB(ctx, login), readDB(ctx, static))
	})
	start := time.Now()
	eventually(t, "three periods pass", func() bool { return time.Since(start) > periods*period })
	assert.Empty(t, load.failed())
	assert.Equal(t, 1, s.Logins(), "a periodic token has no maximum TTL")
	renewals := s.Calls("/v1/auth/token/renew-self")
	assert.GreaterOrEqual(t, renewals, 2*periods, "both tokens, once in each period")
	assert.LessOrEqual(t, renewals, 2*2*periods, "both tokens, at most twice in each period")
}

func TestVaultUsesStaticToken(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	token := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}})
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.Token(auth.Value(hush.NewValue([]byte(token))))}), token)
	require.NoError(t, readDB(t.Context(), p))
	s.Revoke(token)
	assertFails(t, p, hush.Name("db"), hush.ErrUnauthenticated)

	wrong := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.Token(auth.Value(hush.NewValue([]byte("hvs.no-such-token"))))}), "hvs.no-such-token")
	assertFails(t, wrong, hush.Name("db"), hush.ErrUnauthenticated)
	none := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv"}))
	assertFails(t, none, hush.Name("db"), hush.ErrUnauthenticated)
}

// TestVaultReadsReplacedTokenFile replaces the token in a file after its revocation.
func TestVaultReadsReplacedTokenFile(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	file := filepath.Join(t.TempDir(), "token")
	first, second := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}}), s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}})
	require.NoError(t, os.WriteFile(file, []byte(first+"\n"), 0o600))
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.Token(auth.File(file))}), first, second)
	require.NoError(t, readDB(t.Context(), p))
	s.Revoke(first)
	assertFails(t, p, hush.Name("db"), hush.ErrUnauthenticated)
	require.NoError(t, os.WriteFile(file+".new", []byte(second), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
	require.NoError(t, readDB(t.Context(), p))
	assert.Zero(t, s.Logins())
}

func TestVaultUnwrapsSecretIDOnce(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	wrapped := s.WrappedSecretID("app", time.Minute)
	provider := func() hush.Provider {
		return s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrapped))), Wrapped: true})}), wrapped)
	}
	p := provider()
	load := startReaders(t, 16, func(ctx context.Context) error { return readDB(ctx, p) })
	load.awaitReads(t)
	s.RevokeLogins("approle")
	load.awaitReads(t)
	assert.Empty(t, load.failed())
	assert.Equal(t, 2, s.Logins(), "the second login uses the same secret ID")
	assert.Equal(t, 1, s.Calls("/v1/sys/wrapping/unwrap"))

	second := provider()
	assertFails(t, second, hush.Name("db"), hush.ErrUnauthenticated, "wrap")
}

// TestVaultRejectsForeignWrappingToken checks that only a secret ID of the auth method is
// unwrapped. Otherwise, anyone could provide a wrapping token.
func TestVaultRejectsForeignWrappingToken(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	for _, path := range []string{"sys/wrapping/wrap", "auth/token/create"} {
		wrapped := s.Wrap(path, map[string]any{"secret_id": "foreign"}, time.Minute)
		p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrapped))), Wrapped: true})}), wrapped)
		assertFails(t, p, hush.Name("db"), hush.ErrUnauthenticated, "wrap")
	}
	assert.Zero(t, s.Calls("/v1/sys/wrapping/unwrap"))
	assert.Zero(t, s.Logins())
}

// TestVaultReadsReplacedWrappingToken replaces the wrapping token in a file after the secret
// ID was destroyed.
func TestVaultReadsReplacedWrappingToken(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	file := filepath.Join(t.TempDir(), "wrapped")
	deliver := func() {
		require.NoError(t, os.WriteFile(file+".new", []byte(s.WrappedSecretID("app", time.Minute)+"\n"), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	deliver()
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.File(file), Wrapped: true})}))
	require.NoError(t, readDB(t.Context(), p))
	for _, accessor := range s.List("auth/approle/role/app/secret-id") {
		s.Write("auth/approle/role/app/secret-id-accessor/destroy", map[string]any{"secret_id_accessor": accessor})
	}
	s.RevokeLogins("approle")
	assertFails(t, p, hush.Name("db"), hush.ErrUnauthenticated)
	deliver()
	eventually(t, "the new secret ID is used", func() bool { return readDB(t.Context(), p) == nil })
}

func TestVaultFailedLoginsBackOff(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	const wrong = "canary-77d0-secret-id"
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrong)))})}), wrong)
	start := time.Now()
	for range 20 {
		assertFails(t, p, hush.Name("db"), hush.ErrUnauthenticated)
	}
	assert.LessOrEqual(t, s.Logins(), 1+int(time.Since(start)/time.Second), "at most one login per second")
	s.Write("auth/approle/role/app/custom-secret-id", map[string]any{"secret_id": wrong})
	eventually(t, "the login is retried", func() bool { return readDB(t.Context(), p) == nil })
}
