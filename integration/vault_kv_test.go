package integration_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/vault"
)

func TestVaultReadsVersions(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	p := s.kv(t)
	start := time.Now()
	for _, value := range []string{"one", "two", "three"} {
		s.put("app", map[string]any{"z": value, "a": map[string]any{"n": 1234567890123456, "h": "<&>"}})
	}
	s.Write("kv/metadata/app", map[string]any{"custom_metadata": map[string]any{"owner": "payments"}})

	current, err := p.Get(t.Context(), hush.Name("app"))
	require.NoError(t, err)
	assert.Equal(t, `{"a":{"h":"<&>","n":1234567890123456},"z":"three"}`, current.Value.Reveal(), "keys in order, numbers unchanged")
	assert.Equal(t, "3", current.Version)
	assert.Equal(t, "vault", current.Source)
	assert.WithinRange(t, current.Created, start.Add(-time.Minute), time.Now().Add(time.Minute))
	assert.Equal(t, map[string]string{"owner": "payments"}, current.Metadata)
	assert.Zero(t, current.Expires)

	first, err := p.Get(t.Context(), hush.Ref{Name: "app", Version: "1", Field: "z"})
	require.NoError(t, err)
	assert.Equal(t, "one", first.Value.Reveal())
	assert.Equal(t, "1", first.Version)
	assert.False(t, first.Created.After(current.Created))
	for _, version := range []string{"4", "0", "-1", "01x", "latest"} {
		assertFails(t, p, hush.Ref{Name: "app", Version: version}, hush.ErrNotFound)
	}
	assertFails(t, p, hush.Ref{Name: "app", Version: "4"}, hush.ErrNotFound, "never written")
	assertFails(t, p, hush.Ref{Name: "app", Stage: "AWSPREVIOUS"}, hush.ErrUnsupported)
}

func TestVaultDeletedAndDestroyedVersionsAreNotFound(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	p := s.kv(t)
	for range 3 {
		s.put("app", map[string]any{"password": password})
	}
	latest, second := hush.Name("app"), hush.Ref{Name: "app", Version: "2"}

	s.Write("kv/delete/app", map[string]any{"versions": []int{3}})
	assertFails(t, p, latest, hush.ErrNotFound, "version 3", "deleted")
	_, err := p.Get(t.Context(), second)
	require.NoError(t, err, "the other version is not deleted")
	s.Write("kv/undelete/app", map[string]any{"versions": []int{3}})
	_, err = p.Get(t.Context(), latest)
	require.NoError(t, err)

	s.Write("kv/destroy/app", map[string]any{"versions": []int{2}})
	assertFails(t, p, second, hush.ErrNotFound, "version 2", "destroyed")
	assertFails(t, p, hush.Name("other"), hush.ErrNotFound, "no such secret")
	_, err = p.Get(t.Context(), latest)
	require.NoError(t, err)

	_, err = s.Client().Logical().Delete("kv/metadata/app")
	require.NoError(t, err)
	assertFails(t, p, latest, hush.ErrNotFound, "no such secret")
}

// TestVaultExpiresAtDeletionTime checks that Expires is the time at which Vault deletes a
// version.
func TestVaultExpiresAtDeletionTime(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	p := s.kv(t)
	s.Write("kv/metadata/short", map[string]any{"delete_version_after": "3s"})
	s.put("short", map[string]any{"password": password})
	secret, err := p.Get(t.Context(), hush.Name("short"))
	require.NoError(t, err)
	assert.WithinDuration(t, secret.Created.Add(3*time.Second), secret.Expires, time.Second)
	eventually(t, "Vault deletes the version", func() bool {
		_, err := p.Get(t.Context(), hush.Name("short"))
		return err != nil
	})
	assert.False(t, time.Now().Before(secret.Expires))
	assertFails(t, p, hush.Name("short"), hush.ErrNotFound, "deleted")
}

func TestVaultReadsKVv1(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	s.Write("old/db", map[string]any{"user": "app", "password": password, "ttl": "1h"})
	for _, version := range []int{0, 1} {
		p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "old", KV: version, Auth: s.appRole()}))
		require.NoError(t, readDB(t.Context(), p))
		secret, err := p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		assert.Zero(t, secret.Expires, "the lease duration of KV v1 is not an expiry")
		assert.Empty(t, secret.Version)
		assertFails(t, p, hush.Ref{Name: "db", Version: "1"}, hush.ErrUnsupported)
		assertFails(t, p, hush.Name("other"), hush.ErrNotFound)
	}
	assert.Equal(t, 1, s.Calls("/v1/sys/internal/ui/mounts/*"), "one preflight, by the Provider without a configured version")
}

// TestVaultWrongVersionOfKVFindsNothing configures the wrong version of KV. It must not find
// a value of another format.
func TestVaultWrongVersionOfKVFindsNothing(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	s.Policy("reader", `path "*" { capabilities = ["read"] }`)
	s.Write("old/db", map[string]any{"password": password})
	for mount, version := range map[string]int{"kv": 1, "old": 2} {
		p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: mount, KV: version, Auth: s.appRole()}))
		assertFails(t, p, hush.Name("db"), hush.ErrNotFound)
	}
}

// TestVaultFirstReadsShareLogin starts many readers with a token that may read one secret.
func TestVaultFirstReadsShareLogin(t *testing.T) {
	t.Parallel()
	for version, preflights := range map[int]int{0: 1, 2: 0} {
		s := startVault(t, vaultserver.Login{})
		s.Policy("reader", `path "kv/data/db" { capabilities = ["read"] }`)
		p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", KV: version, Auth: s.appRole()}))
		load := startReaders(t, manyReaders, func(ctx context.Context) error { return readDB(ctx, p) })
		load.awaitReads(t)
		assert.Empty(t, load.failed())
		assert.Equal(t, preflights, s.Calls("/v1/sys/internal/ui/mounts/*"), "KV %d", version)
		assert.Equal(t, 1, s.Logins(), "KV %d", version)
	}
}

func TestVaultDeniedLogsInOnce(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	s.put("secret", map[string]any{"password": password})
	s.Policy("reader", `path "kv/data/db" { capabilities = ["read"] }`)
	p := s.kv(t)
	require.NoError(t, readDB(t.Context(), p))
	require.Equal(t, 1, s.Logins())
	assertFails(t, p, hush.Name("secret"), hush.ErrDenied)
	assert.Equal(t, 2, s.Logins(), "one new login, because the policies of a token may be outdated")
	for range 20 {
		assertFails(t, p, hush.Name("secret"), hush.ErrDenied)
	}
	assert.Equal(t, 2, s.Logins(), "no further login")
	require.NoError(t, readDB(t.Context(), p))

	wrongMount := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "nowhere", Auth: s.appRole()}))
	assertFails(t, wrongMount, hush.Name("db"), hush.ErrDenied)
}

// TestVaultLogsInForNewPolicy adds a policy to a role. Only tokens of later logins have the
// policy.
func TestVaultLogsInForNewPolicy(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	s.Policy("reader", `path "kv/data/db" { capabilities = ["read"] }`)
	s.Policy("more", `path "kv/data/*" { capabilities = ["read"] }`)
	s.put("secret", map[string]any{"password": password})
	p := s.kv(t)
	require.NoError(t, readDB(t.Context(), p))
	s.AppRole("app", vaultserver.Login{Policies: []string{"reader", "more"}})
	_, err := p.Get(t.Context(), hush.Name("secret"))
	require.NoError(t, err)
	assert.Equal(t, 2, s.Logins())
}

func TestVaultReadsLargeAndEmptySecrets(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	p := s.kv(t)
	big := strings.Repeat("0123456789", 90_000)
	s.put("big", map[string]any{"value": big})
	secret, err := p.Get(t.Context(), hush.Ref{Name: "big", Field: "value"})
	require.NoError(t, err)
	assert.True(t, secret.Value.Equal(hush.NewValue([]byte(big))), "got %d bytes", secret.Value.Len())

	huge := map[string]any{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		huge[name] = big
	}
	s.put("huge", huge)
	assertFails(t, p, hush.Name("huge"), hush.ErrUnavailable)
	s.put("empty", map[string]any{})
	secret, err = p.Get(t.Context(), hush.Name("empty"))
	require.NoError(t, err)
	assert.Equal(t, "{}", secret.Value.Reveal())
}

// TestVaultSendsNamespace checks the header of each request. This edition of Vault has only
// the root namespace and ignores the header.
func TestVaultSendsNamespace(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	client := s.newClient(t)
	client.SetNamespace("team-a")
	p := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	require.NoError(t, readDB(t.Context(), p))
	for _, path := range []string{"auth/approle/login", "sys/internal/ui/mounts/kv", "kv/data/db"} {
		assert.Equal(t, 1, s.CallsIn("team-a", "/v1/"+path), path)
	}
}

func TestVaultVerifiesCertificate(t *testing.T) {
	t.Parallel()
	server := vaultserver.StartTLS(t)
	server.MountKV("kv", 2)
	server.Write("kv/data/db", map[string]any{"data": map[string]any{"password": password}})
	s := &store{Server: server}
	get := func(opts *vault.ClientOptions) (hush.Secret, error) {
		opts.Addresses, opts.IgnoreEnvironment = []string{s.URL()}, true
		client, err := vault.NewClient(opts)
		require.NoError(t, err)
		t.Cleanup(client.CloneConfig().HttpClient.CloseIdleConnections)
		client.SetToken(s.Root())
		return s.watched(t, vault.New(client, &vault.Options{Mount: "kv"})).Get(t.Context(), hush.Ref{Name: "db", Field: "password"})
	}
	secret, err := get(&vault.ClientOptions{CAPEM: s.CA()})
	require.NoError(t, err)
	assert.Equal(t, password, secret.Value.Reveal())
	_, err = get(&vault.ClientOptions{})
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "the CA is unknown: %v", err)
}
