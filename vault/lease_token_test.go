package vault_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestLeaseEndsWithItsToken(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{}).
		logsIn(&vaulttest.TokenOptions{TTL: 30 * time.Minute, NotRenewable: true})
	first := l.requireGet(t, creds)
	end := l.Time().Add(30 * time.Minute)
	assert.Equal(t, end, first.Expires)
	l.Advance(29 * time.Minute)
	assert.True(t, first.Equal(l.requireGet(t, creds)))
	l.Advance(31 * time.Second)
	next := l.requireGet(t, creds)
	assert.NotEqual(t, first.Version, next.Version, "shortly before the end")
	assert.Equal(t, l.Time().Add(30*time.Minute), next.Expires)
	assert.Equal(t, 2, l.server.Counts().Logins)
	assert.Zero(t, l.server.Counts().LeasesRevoked, "no token was in use")
}

func TestLeaseEndsWithItsTokenDuringAnOutage(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{}).
		logsIn(&vaulttest.TokenOptions{TTL: 30 * time.Minute})
	l.requireGet(t, creds)
	restore := l.server.Break()
	l.Advance(30*time.Minute - time.Second)
	l.requireGet(t, creds)
	l.Advance(time.Second)
	l.requireFailure(t, creds, hush.ErrUnavailable)
	restore()
	l.requireGet(t, creds)
}

// A program that reads only current leases sends no other request, and its token is
// renewed all the same.
func TestTokenIsRenewedWhileItsLeasesAreUsed(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: 100 * time.Hour}, vault.ReaderOptions{}).
		logsIn(&vaulttest.TokenOptions{Period: time.Hour})
	first := l.requireGet(t, creds)
	assert.Equal(t, l.Time().Add(time.Hour), first.Expires)
	for i := range 10 {
		l.Advance(41 * time.Minute)
		l.requireGet(t, creds)
		require.Eventually(t, func() bool { return l.server.Counts().TokensRenewed == i+1 }, 10*time.Second, time.Millisecond)
		require.Eventually(t, func() bool { return l.requireGet(t, creds).Expires.Equal(l.Time().Add(time.Hour)) }, 10*time.Second, time.Millisecond)
	}
	assert.Equal(t, first.Version, l.requireGet(t, creds).Version)
	assert.Equal(t, 1, l.server.Counts().Logins)
	assert.Equal(t, 1, l.calls(vaulttest.Read))
}

// The leases are not returned once the revocation is known.
func TestLeasesOfARevokedTokenAreReplaced(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{}).logsIn(nil)
	l.server.LeaseRole("database", "other", nil)
	first := l.requireGet(t, creds)
	l.server.RevokeLogins()
	assert.False(t, l.lives(first))
	_, err := l.Get(t.Context(), hush.Name("database/creds/other"))
	require.NoError(t, err)
	next := l.requireGet(t, creds)
	assert.NotEqual(t, first.Version, next.Version)
	assert.Equal(t, 2, l.server.Counts().Logins)
	assert.Equal(t, 3, l.server.Counts().LeasesIssued)

	// The renewal of the lease shows the revocation, too.
	l.server.RevokeLogins()
	l.Advance(41 * time.Minute)
	assert.NotEqual(t, next.Version, l.requireGet(t, creds).Version)
	assert.Equal(t, 3, l.server.Counts().Logins)
}

func TestLeasesAreReplacedIfARenewalShowsARevokedToken(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: 100 * time.Hour}, vault.ReaderOptions{}).
		logsIn(&vaulttest.TokenOptions{TTL: time.Hour})
	first := l.requireGet(t, creds)
	l.server.RevokeLogins()
	l.Advance(41 * time.Minute)
	require.Eventually(t, func() bool {
		secret, err := l.Get(t.Context(), creds)
		return err == nil && secret.Version != first.Version && l.lives(secret)
	}, 10*time.Second, time.Millisecond)
}

// A lease stays in use after a new login, and the new token renews it.
func TestLeaseIsRenewedWithTheNextToken(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: 100 * time.Minute}, vault.ReaderOptions{}).
		logsIn(&vaulttest.TokenOptions{TTL: 10 * time.Hour})
	l.server.Deny("database", "denied")
	first := l.requireGet(t, creds)
	l.requireFailure(t, hush.Name("database/creds/denied"), hush.ErrDenied)
	assert.Equal(t, 2, l.server.Counts().Logins, "after the denial")
	l.Advance(70 * time.Minute)
	again := l.requireGet(t, creds)
	assert.Equal(t, first.Version, again.Version)
	assert.Equal(t, l.Time().Add(100*time.Minute), again.Expires)
}
