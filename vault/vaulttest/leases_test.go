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

func readLease(t testing.TB, client *api.Client, path string) *api.Secret {
	t.Helper()
	got, err := client.Logical().ReadWithContext(t.Context(), path)
	require.NoError(t, err)
	return got
}

func TestRenewLeaseWithinMaxTTL(t *testing.T) {
	clock := newClock()
	server := startServer(t, &vaulttest.Options{Now: clock.Now})
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", &vaulttest.LeaseOptions{TTL: time.Minute, MaxTTL: 90 * time.Second})
	token := server.Token(nil)
	client := clientOf(t, server, token)
	first, second := readLease(t, client, "database/creds/app"), readLease(t, client, "database/creds/app")
	assert.Regexp(t, `^database/creds/app/\w{24}$`, first.LeaseID)
	assert.NotEqual(t, first.LeaseID, second.LeaseID)
	assert.NotEqual(t, first.Data["username"], second.Data["username"])
	assert.Equal(t, 60, first.LeaseDuration)
	assert.True(t, first.Renewable)
	require.Len(t, server.Leases(), 2)
	assert.Equal(t, vaulttest.Fingerprint(token), server.Leases()[0].Token)

	for _, c := range []struct{ increment, want int }{{10, 10}, {1000, 90}, {0, 60}} {
		got, err := client.Sys().RenewWithContext(t.Context(), first.LeaseID, c.increment)
		require.NoError(t, err)
		assert.Equal(t, c.want, got.LeaseDuration)
		assert.Equal(t, first.LeaseID, got.LeaseID)
		assert.Equal(t, c.increment > 90, len(got.Warnings) > 0)
	}
	clock.advance(50 * time.Second)
	got, err := client.Sys().RenewWithContext(t.Context(), first.LeaseID, 0)
	require.NoError(t, err)
	assert.Equal(t, 40, got.LeaseDuration)
	clock.advance(10 * time.Second)
	_, err = client.Sys().RenewWithContext(t.Context(), second.LeaseID, 0)
	requireError(t, err, 400, "lease not found")
	require.NoError(t, client.Sys().RevokeWithContext(t.Context(), first.LeaseID))
	require.NoError(t, client.Sys().RevokeWithContext(t.Context(), first.LeaseID), "a real server does not report an unknown lease")
	assert.Empty(t, server.Leases())
	assert.Equal(t, vaulttest.Counts{LeasesIssued: 2, LeasesRenewed: 4, LeasesRevoked: 1, LeasesExpired: 1}, server.Counts())
}

func TestLeasesEndWithTheirToken(t *testing.T) {
	clock := newClock()
	server := startServer(t, &vaulttest.Options{Now: clock.Now})
	server.Mount("aws", vaulttest.AWS)
	server.LeaseRole("aws", "app", nil)
	short := clientOf(t, server, server.Token(&vaulttest.TokenOptions{TTL: time.Minute}))
	leased := readLease(t, short, "aws/creds/app")
	assert.Contains(t, leased.Data, "security_token")
	assert.Equal(t, 2764800, leased.LeaseDuration)
	clock.advance(time.Minute)
	_, err := clientOf(t, server, server.RootToken()).Sys().RenewWithContext(t.Context(), leased.LeaseID, 0)
	requireError(t, err, 400, "lease not found")

	leased = readLease(t, clientOf(t, server, server.RootToken()), "aws/sts/app")
	server.RevokeLease(leased.LeaseID)
	server.RevokeLease(leased.LeaseID)
	readLease(t, clientOf(t, server, server.RootToken()), "aws/creds/app")
	server.RevokeAll()
	assert.Empty(t, server.Leases())
	assert.Equal(t, 3, server.Counts().LeasesRevoked)
}

func TestLeaseOptions(t *testing.T) {
	server := startServer(t, nil)
	server.Mount("team/db", vaulttest.Database)
	server.Mount("aws", vaulttest.AWS)
	client := clientOf(t, server, server.Token(nil))
	server.LeaseRole("team/db", "fixed", &vaulttest.LeaseOptions{NotRenewable: true})
	server.LeaseRole("team/db", "static", &vaulttest.LeaseOptions{NoLease: true, Data: func(n int) map[string]any { return map[string]any{"n": n} }})
	fixed := readLease(t, client, "team/db/creds/fixed")
	assert.False(t, fixed.Renewable)
	_, err := client.Sys().RenewWithContext(t.Context(), fixed.LeaseID, 0)
	requireError(t, err, 400, "lease is not renewable")
	_, err = client.Sys().RenewWithContext(t.Context(), "", 0)
	requireError(t, err, 400, "lease_id must be specified")
	resp, _ := send(t, server, "PUT", "/v1/sys/leases/revoke", server.RootToken(), "{}")
	assert.Equal(t, 400, resp.StatusCode)
	resp, _ = send(t, server, "PUT", "/v1/sys/leases/revoke/"+fixed.LeaseID, server.RootToken(), "")
	assert.Equal(t, 204, resp.StatusCode)
	assert.Empty(t, server.Leases())
	static := readLease(t, client, "team/db/creds/static")
	assert.Empty(t, static.LeaseID)
	assert.Len(t, static.Data, 1)
	for path, message := range map[string]string{"team/db/creds/nope": "unknown role: nope", "aws/creds/nope": `Role "nope" not found`} {
		_, err = client.Logical().ReadWithContext(t.Context(), path)
		requireError(t, err, 400, message)
	}
	for _, path := range []string{"team/db/creds", "team/db/roles/fixed", "team/db/sts/fixed"} {
		resp, body := send(t, server, "GET", "/v1/"+path, server.RootToken(), "")
		assert.Equal(t, 404, resp.StatusCode)
		assert.Contains(t, body, "unsupported path")
	}
	defer server.Deny("team/db", "fixed")()
	_, err = client.Logical().ReadWithContext(t.Context(), "team/db/creds/fixed")
	requireError(t, err, 403, permissionDenied)
	defer server.DenyPath("sys/leases/revoke")()
	requireError(t, client.Sys().RevokeWithContext(t.Context(), "x"), 403, permissionDenied)
	assert.Panics(t, func() { server.LeaseRole("secret", "app", nil) })
}

// TestConcurrentUse finds data races between requests and methods of Server.
func TestConcurrentUse(t *testing.T) {
	server := startServer(t, nil)
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", nil)
	roleID, secretID := server.AppRole("approle", "app", nil)
	client := clientOf(t, server, server.RootToken())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := logIn(t, server, "approle", map[string]any{"role_id": roleID, "secret_id": secretID}); !assert.NoError(t, err) {
					return
				}
				leased, err := client.Logical().ReadWithContext(t.Context(), "database/creds/app")
				if !assert.NoError(t, err) || !assert.NoError(t, client.Sys().RevokeWithContext(t.Context(), leased.LeaseID)) {
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
