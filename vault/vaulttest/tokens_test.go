package vaulttest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestTokens(t *testing.T) {
	server := start(t, nil)
	server.Put("secret", "a", map[string]any{"n": "1"})
	read := func(token string) error {
		_, err := as(t, server, token).KVv2("secret").Get(t.Context(), "a")
		return err
	}
	token := server.Token(nil)
	require.NoError(t, read(token))
	answered(t, read(""), 403, "permission denied")
	answered(t, read("hvs.wrong"), 403, invalid)
	server.Revoke(token)
	server.Revoke(token)
	answered(t, read(token), 403, invalid)
	once := server.Token(&vaulttest.TokenOptions{Uses: 1})
	require.NoError(t, read(once))
	answered(t, read(once), 403, invalid)

	token = server.Token(nil)
	restore := server.Deny("secret", "a")
	other := server.Deny("secret", "a")
	answered(t, read(token), 403, denied)
	require.NoError(t, read(server.RootToken()))
	restore()
	restore()
	answered(t, read(token), 403, denied)
	other()
	require.NoError(t, read(token))
	server.RevokeAll()
	answered(t, read(token), 403, invalid)
	require.NoError(t, read(server.RootToken()))
}

func TestLookupSelf(t *testing.T) {
	clock := newHour()
	server := start(t, &vaulttest.Options{Now: clock.Now})
	look := func(token string) map[string]any {
		got, err := as(t, server, token).Auth().Token().LookupSelfWithContext(t.Context())
		require.NoError(t, err)
		return got.Data
	}
	root := look(server.RootToken())
	assert.Equal(t, json.Number("0"), root["ttl"])
	assert.Nil(t, root["expire_time"])
	assert.NotContains(t, root, "renewable")
	assert.NotContains(t, root, "period")
	assert.Equal(t, []any{"root"}, root["policies"])

	token := server.Token(&vaulttest.TokenOptions{TTL: time.Minute, MaxTTL: time.Hour, Policies: []string{"app"}})
	clock.turn(20 * time.Second)
	got := look(token)
	assert.Equal(t, token, got["id"])
	assert.Equal(t, json.Number("40"), got["ttl"])
	assert.Equal(t, json.Number("60"), got["creation_ttl"])
	assert.Equal(t, json.Number("3600"), got["explicit_max_ttl"])
	assert.Equal(t, true, got["renewable"])
	assert.Equal(t, "2026-03-01T12:01:00Z", got["expire_time"])
	assert.Equal(t, []any{"app", "default"}, got["policies"])
	assert.Equal(t, json.Number("30"), look(server.Token(&vaulttest.TokenOptions{Period: 30 * time.Second}))["period"])
	clock.turn(40 * time.Second)
	_, err := as(t, server, token).Auth().Token().LookupSelfWithContext(t.Context())
	answered(t, err, 403, invalid)
}

func TestRenewSelf(t *testing.T) {
	clock := newHour()
	server := start(t, &vaulttest.Options{Now: clock.Now})
	renew := func(token string, increment, want int) {
		t.Helper()
		got, err := as(t, server, token).Auth().Token().RenewSelfWithContext(t.Context(), increment)
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
		clock.turn(50 * time.Second)
		renew(periodic, 5000, 60)
	}
	_, err := as(t, server, token).Auth().Token().RenewSelfWithContext(t.Context(), 0)
	answered(t, err, 403, invalid)
	capped := server.Token(&vaulttest.TokenOptions{TTL: time.Minute, MaxTTL: 90 * time.Second})
	clock.turn(50 * time.Second)
	renew(capped, 0, 40)
	_, err = as(t, server, server.Token(&vaulttest.TokenOptions{NotRenewable: true})).Auth().Token().RenewSelfWithContext(t.Context(), 0)
	answered(t, err, 400, "lease is not renewable")
	_, err = as(t, server, server.RootToken()).Auth().Token().RenewSelfWithContext(t.Context(), 0)
	answered(t, err, 400, "invalid lease ID")
	assert.Equal(t, 9, server.Counts().TokensRenewed)
	assert.Equal(t, 12, server.Calls(vaulttest.Call{Operation: vaulttest.Renew}))
}

func TestRevokeSelf(t *testing.T) {
	server := start(t, nil)
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", nil)
	client := as(t, server, server.Token(nil))
	_, err := client.Logical().ReadWithContext(t.Context(), "database/creds/app")
	require.NoError(t, err)
	require.Len(t, server.Leases(), 1)
	require.NoError(t, client.Auth().Token().RevokeSelfWithContext(t.Context(), ""))
	assert.Empty(t, server.Leases())
	assert.Equal(t, 1, server.Counts().LeasesRevoked)
	answered(t, client.Auth().Token().RevokeSelfWithContext(t.Context(), ""), 403, invalid)
}

func TestWrapping(t *testing.T) {
	clock := newHour()
	server := start(t, &vaulttest.Options{Now: clock.Now})
	role, _ := server.AppRole("approle", "app", nil)
	const gone = "wrapping token is not valid or does not exist"
	none := as(t, server, "")

	token := server.WrapSecretID("approle", "app", 1, time.Minute)
	got, err := none.Logical().WriteWithContext(t.Context(), "sys/wrapping/lookup", map[string]any{"token": token})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"creation_path": "auth/approle/role/app/secret-id", "creation_time": "2026-03-01T12:00:00Z", "creation_ttl": json.Number("60"),
	}, got.Data)
	got, err = none.Logical().UnwrapWithContext(t.Context(), token)
	require.NoError(t, err)
	none.ClearToken() // which the client has taken from us
	_, err = none.Logical().WriteWithContext(t.Context(), "auth/approle/login", map[string]any{"role_id": role, "secret_id": got.Data["secret_id"]})
	require.NoError(t, err)
	_, err = none.Logical().UnwrapWithContext(t.Context(), token)
	answered(t, err, 400, gone)

	token = server.Wrap("secret/data/a", map[string]any{"a": "b"}, 0)
	got, err = as(t, server, server.Token(nil)).Logical().UnwrapWithContext(t.Context(), token)
	require.NoError(t, err, "in the body, with a token of one's own")
	assert.Equal(t, map[string]any{"a": "b"}, got.Data)

	token = server.Wrap("secret/data/a", nil, time.Minute)
	_, err = as(t, server, token).KVv2("secret").Get(t.Context(), "a")
	answered(t, err, 403, denied)
	_, err = as(t, server, token).Logical().UnwrapWithContext(t.Context(), "")
	answered(t, err, 400, gone)

	token = server.Wrap("secret/data/a", nil, time.Minute)
	clock.turn(time.Minute)
	for _, path := range []string{"sys/wrapping/lookup", "sys/wrapping/unwrap"} {
		_, err = as(t, server, server.RootToken()).Logical().WriteWithContext(t.Context(), path, map[string]any{"token": token})
		answered(t, err, 400, gone)
	}
	for path, token := range map[string]string{"sys/wrapping/lookup": "", "sys/wrapping/unwrap": server.Wrap("a", nil, 0)} {
		resp, _ := raw(t, server, "PUT", "/v1/"+path, "", `{"token":"`+token+`"}`)
		assert.Equal(t, 403, resp.StatusCode, path)
	}
	server.RevokeAll()
	_, err = as(t, server, "").Logical().UnwrapWithContext(t.Context(), server.Wrap("a", nil, 0))
	require.NoError(t, err)
}
