package vaulttest_test

import (
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

func lease(t testing.TB, client *api.Client, path string) *api.Secret {
	t.Helper()
	got, err := client.Logical().ReadWithContext(t.Context(), path)
	require.NoError(t, err)
	return got
}

func TestLeases(t *testing.T) {
	clock := newHour()
	server := start(t, &vaulttest.Options{Now: clock.Now})
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", &vaulttest.LeaseOptions{TTL: time.Minute, MaxTTL: 90 * time.Second})
	token := server.Token(nil)
	client := as(t, server, token)
	one, two := lease(t, client, "database/creds/app"), lease(t, client, "database/creds/app")
	assert.Regexp(t, `^database/creds/app/\w{24}$`, one.LeaseID)
	assert.NotEqual(t, one.LeaseID, two.LeaseID)
	assert.NotEqual(t, one.Data["username"], two.Data["username"])
	assert.Equal(t, 60, one.LeaseDuration)
	assert.True(t, one.Renewable)
	require.Len(t, server.Leases(), 2)
	assert.Equal(t, vaulttest.Fingerprint(token), server.Leases()[0].Token)

	for _, c := range []struct{ increment, want int }{{10, 10}, {1000, 90}, {0, 60}} {
		got, err := client.Sys().RenewWithContext(t.Context(), one.LeaseID, c.increment)
		require.NoError(t, err)
		assert.Equal(t, c.want, got.LeaseDuration)
		assert.Equal(t, one.LeaseID, got.LeaseID)
		assert.Equal(t, c.increment > 90, len(got.Warnings) > 0)
	}
	clock.turn(50 * time.Second)
	got, err := client.Sys().RenewWithContext(t.Context(), one.LeaseID, 0)
	require.NoError(t, err)
	assert.Equal(t, 40, got.LeaseDuration)
	clock.turn(10 * time.Second)
	_, err = client.Sys().RenewWithContext(t.Context(), two.LeaseID, 0)
	answered(t, err, 400, "lease not found")
	require.NoError(t, client.Sys().RevokeWithContext(t.Context(), one.LeaseID))
	require.NoError(t, client.Sys().RevokeWithContext(t.Context(), one.LeaseID), "as a real server")
	assert.Empty(t, server.Leases())
	assert.Equal(t, vaulttest.Counts{LeasesIssued: 2, LeasesRenewed: 4, LeasesRevoked: 1, LeasesExpired: 1}, server.Counts())
}

func TestLeasesEndWithTheirToken(t *testing.T) {
	clock := newHour()
	server := start(t, &vaulttest.Options{Now: clock.Now})
	server.Mount("aws", vaulttest.AWS)
	server.LeaseRole("aws", "app", nil)
	short := as(t, server, server.Token(&vaulttest.TokenOptions{TTL: time.Minute}))
	held := lease(t, short, "aws/creds/app")
	assert.Contains(t, held.Data, "security_token")
	assert.Equal(t, 2764800, held.LeaseDuration)
	clock.turn(time.Minute)
	_, err := as(t, server, server.RootToken()).Sys().RenewWithContext(t.Context(), held.LeaseID, 0)
	answered(t, err, 400, "lease not found")

	held = lease(t, as(t, server, server.RootToken()), "aws/sts/app")
	server.RevokeLease(held.LeaseID)
	server.RevokeLease(held.LeaseID)
	lease(t, as(t, server, server.RootToken()), "aws/creds/app")
	server.RevokeAll()
	assert.Empty(t, server.Leases())
	assert.Equal(t, 3, server.Counts().LeasesRevoked)
}

func TestLeaseKinds(t *testing.T) {
	server := start(t, nil)
	server.Mount("team/db", vaulttest.Database)
	server.Mount("aws", vaulttest.AWS)
	client := as(t, server, server.Token(nil))
	server.LeaseRole("team/db", "fixed", &vaulttest.LeaseOptions{NotRenewable: true})
	server.LeaseRole("team/db", "static", &vaulttest.LeaseOptions{NoLease: true, Data: func(n int) map[string]any { return map[string]any{"n": n} }})
	fixed := lease(t, client, "team/db/creds/fixed")
	assert.False(t, fixed.Renewable)
	_, err := client.Sys().RenewWithContext(t.Context(), fixed.LeaseID, 0)
	answered(t, err, 400, "lease is not renewable")
	_, err = client.Sys().RenewWithContext(t.Context(), "", 0)
	answered(t, err, 400, "lease_id must be specified")
	resp, _ := raw(t, server, "PUT", "/v1/sys/leases/revoke", server.RootToken(), "{}")
	assert.Equal(t, 400, resp.StatusCode)
	resp, _ = raw(t, server, "PUT", "/v1/sys/leases/revoke/"+fixed.LeaseID, server.RootToken(), "")
	assert.Equal(t, 204, resp.StatusCode)
	assert.Empty(t, server.Leases())
	static := lease(t, client, "team/db/creds/static")
	assert.Empty(t, static.LeaseID)
	assert.Len(t, static.Data, 1)
	for path, said := range map[string]string{"team/db/creds/nope": "unknown role: nope", "aws/creds/nope": `Role "nope" not found`} {
		_, err = client.Logical().ReadWithContext(t.Context(), path)
		answered(t, err, 400, said)
	}
	for _, path := range []string{"team/db/creds", "team/db/roles/fixed", "team/db/sts/fixed"} {
		resp, body := raw(t, server, "GET", "/v1/"+path, server.RootToken(), "")
		assert.Equal(t, 404, resp.StatusCode)
		assert.Contains(t, body, "unsupported path")
	}
	defer server.Deny("team/db", "fixed")()
	_, err = client.Logical().ReadWithContext(t.Context(), "team/db/creds/fixed")
	answered(t, err, 403, denied)
	defer server.DenyPath("sys/leases/revoke")()
	answered(t, client.Sys().RevokeWithContext(t.Context(), "x"), 403, denied)
	assert.Panics(t, func() { server.LeaseRole("secret", "app", nil) })
}

// TestTogether is for the race detector: calls and the test's own methods at once.
func TestTogether(t *testing.T) {
	server := start(t, nil)
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", nil)
	role, secret := server.AppRole("approle", "app", nil)
	client := as(t, server, server.RootToken())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := login(t, server, "approle", map[string]any{"role_id": role, "secret_id": secret}); !assert.NoError(t, err) {
					return
				}
				held, err := client.Logical().ReadWithContext(t.Context(), "database/creds/app")
				if !assert.NoError(t, err) || !assert.NoError(t, client.Sys().RevokeWithContext(t.Context(), held.LeaseID)) {
					return
				}
				server.Put("secret", "a", map[string]any{"n": 1})
				server.DenyPath("x")()
				server.Leases()
				server.RecentCalls()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 160, server.RevokeLogins())
	assert.Equal(t, vaulttest.Counts{Logins: 160, LeasesIssued: 160, LeasesRevoked: 160}, server.Counts())
}
