package vaulttest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestRevokedAndUsedUpTokensAreInvalid(t *testing.T) {
	server := startServer(t, nil)
	server.Put("secret", "a", map[string]any{"n": "1"})
	read := func(token string) error {
		_, err := clientOf(t, server, token).KVv2("secret").Get(t.Context(), "a")
		return err
	}
	token := server.Token(nil)
	require.NoError(t, read(token))
	requireError(t, read(""), 403, "permission denied")
	requireError(t, read("hvs.wrong"), 403, invalidToken)
	server.Revoke(token)
	server.Revoke(token)
	requireError(t, read(token), 403, invalidToken)
	once := server.Token(&vaulttest.TokenOptions{Uses: 1})
	require.NoError(t, read(once))
	requireError(t, read(once), 403, invalidToken)
}

func TestDenyUntilRestore(t *testing.T) {
	server, _ := startWithSecret(t)
	read := func(token string) error {
		_, err := clientOf(t, server, token).KVv2("secret").Get(t.Context(), "a")
		return err
	}
	token := server.Token(nil)
	restoreFirst, restoreSecond := server.Deny("secret", "a"), server.Deny("secret", "a")
	requireError(t, read(token), 403, permissionDenied)
	require.NoError(t, read(server.RootToken()))
	restoreFirst()
	restoreFirst()
	requireError(t, read(token), 403, permissionDenied)
	restoreSecond()
	require.NoError(t, read(token))
	server.RevokeAll()
	requireError(t, read(token), 403, invalidToken)
	require.NoError(t, read(server.RootToken()))
}

func TestLookupSelfReportsTTL(t *testing.T) {
	clock := newClock()
	server := startServer(t, &vaulttest.Options{Now: clock.Now})
	lookup := func(token string) map[string]any {
		got, err := clientOf(t, server, token).Auth().Token().LookupSelfWithContext(t.Context())
		require.NoError(t, err)
		return got.Data
	}
	root := lookup(server.RootToken())
	assert.Equal(t, json.Number("0"), root["ttl"])
	assert.Nil(t, root["expire_time"])
	assert.NotContains(t, root, "renewable")
	assert.NotContains(t, root, "period")
	assert.Equal(t, []any{"root"}, root["policies"])

	token := server.Token(&vaulttest.TokenOptions{TTL: time.Minute, MaxTTL: time.Hour, Policies: []string{"app"}})
	clock.advance(20 * time.Second)
	got := lookup(token)
	assert.Equal(t, token, got["id"])
	assert.Equal(t, json.Number("40"), got["ttl"])
	assert.Equal(t, json.Number("60"), got["creation_ttl"])
	assert.Equal(t, json.Number("3600"), got["explicit_max_ttl"])
	assert.Equal(t, true, got["renewable"])
	assert.Equal(t, "2026-03-01T12:01:00Z", got["expire_time"])
	assert.Equal(t, []any{"app", "default"}, got["policies"])
	assert.Equal(t, json.Number("30"), lookup(server.Token(&vaulttest.TokenOptions{Period: 30 * time.Second}))["period"])
	clock.advance(40 * time.Second)
	_, err := clientOf(t, server, token).Auth().Token().LookupSelfWithContext(t.Context())
	requireError(t, err, 403, invalidToken)
}

func TestRenewSelfWithinMaxTTL(t *testing.T) {
	clock := newClock()
	server := startServer(t, &vaulttest.Options{Now: clock.Now})
	renew := func(token string, increment, want int) {
		t.Helper()
		got, err := clientOf(t, server, token).Auth().Token().RenewSelfWithContext(t.Context(), increment)
		require.NoError(t, err)
		assert.Equal(t, want, got.Auth.LeaseDuration)
		assert.Equal(t, token, got.Auth.ClientToken)
		assert.True(t, got.Auth.Renewable)
	}
	token := server.Token(&vaulttest.TokenOptions{TTL: time.Minute, MaxTTL: 2 * time.Minute})
	periodic := server.Token(&vaulttest.TokenOptions{Period: time.Minute})
	renew(token, 5000, 120)
	renew(token, 10, 10)
	renew(token, 0, 60)
	for range 5 {
		clock.advance(50 * time.Second)
		renew(periodic, 5000, 60)
	}
	_, err := clientOf(t, server, token).Auth().Token().RenewSelfWithContext(t.Context(), 0)
	requireError(t, err, 403, invalidToken)
	capped := server.Token(&vaulttest.TokenOptions{TTL: time.Minute, MaxTTL: 90 * time.Second})
	clock.advance(50 * time.Second)
	renew(capped, 0, 40)
	_, err = clientOf(t, server, server.Token(&vaulttest.TokenOptions{NotRenewable: true})).Auth().Token().RenewSelfWithContext(t.Context(), 0)
	requireError(t, err, 400, "lease is not renewable")
	_, err = clientOf(t, server, server.RootToken()).Auth().Token().RenewSelfWithContext(t.Context(), 0)
	requireError(t, err, 400, "invalid lease ID")
	assert.Equal(t, 9, server.Counts().TokensRenewed)
	assert.Equal(t, 12, server.Calls(vaulttest.Call{Operation: vaulttest.Renew}))
}

func TestRevokeSelfRevokesLeases(t *testing.T) {
	server := startServer(t, nil)
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", nil)
	client := clientOf(t, server, server.Token(nil))
	_, err := client.Logical().ReadWithContext(t.Context(), "database/creds/app")
	require.NoError(t, err)
	require.Len(t, server.Leases(), 1)
	require.NoError(t, client.Auth().Token().RevokeSelfWithContext(t.Context(), ""))
	assert.Empty(t, server.Leases())
	assert.Equal(t, 1, server.Counts().LeasesRevoked)
	requireError(t, client.Auth().Token().RevokeSelfWithContext(t.Context(), ""), 403, invalidToken)
}

func TestWrapSecretID(t *testing.T) {
	clock := newClock()
	server := startServer(t, &vaulttest.Options{Now: clock.Now})
	roleID, _ := server.AppRole("approle", "app", nil)
	const unknown = "wrapping token is not valid or does not exist"
	wrap := func() string { return server.WrapSecretID("approle", "app", 1, time.Minute) }
	write := func(path, token string, body map[string]any) (*api.Secret, error) {
		return clientOf(t, server, token).Logical().WriteWithContext(t.Context(), path, body)
	}
	unwrap := func(token, body string) (*api.Secret, error) {
		return clientOf(t, server, token).Logical().UnwrapWithContext(t.Context(), body)
	}

	token := wrap()
	got, err := write("sys/wrapping/lookup", "", map[string]any{"token": token})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"creation_path": "auth/approle/role/app/secret-id", "creation_time": "2026-03-01T12:00:00Z", "creation_ttl": json.Number("60"),
	}, got.Data)
	got, err = unwrap("", token)
	require.NoError(t, err)
	login := map[string]any{"role_id": roleID, "secret_id": got.Data["secret_id"]}
	_, err = logIn(t, server, "approle", login)
	require.NoError(t, err)
	_, err = logIn(t, server, "approle", login)
	requireError(t, err, 400, "invalid role or secret ID")
	_, err = unwrap("", token)
	requireError(t, err, 400, unknown)

	_, err = unwrap(server.Token(nil), wrap())
	require.NoError(t, err, "wrapping token in the body, another token in the header")

	token = wrap()
	_, err = clientOf(t, server, token).KVv2("secret").Get(t.Context(), "a")
	requireError(t, err, 403, permissionDenied)
	_, err = unwrap(token, "")
	requireError(t, err, 400, unknown)

	token = wrap()
	clock.advance(time.Minute)
	for _, path := range []string{"sys/wrapping/lookup", "sys/wrapping/unwrap"} {
		_, err = write(path, server.RootToken(), map[string]any{"token": token})
		requireError(t, err, 400, unknown)
	}
	for path, token := range map[string]string{"sys/wrapping/lookup": "", "sys/wrapping/unwrap": wrap()} {
		resp, _ := send(t, server, "PUT", "/v1/"+path, "", `{"token":"`+token+`"}`)
		assert.Equal(t, 403, resp.StatusCode, path)
	}
	token = wrap()
	server.RevokeAll()
	_, err = unwrap("", token)
	requireError(t, err, 400, unknown)
	assert.Panics(t, func() { server.WrapSecretID("approle", "nope", 0, 0) })
}
