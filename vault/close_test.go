package vault_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

var other = hush.Name("database/creds/other")

// newRevoking returns a Reader with three usable leases, one of them replaced, and
// two expired ones.
func newRevoking(t *testing.T) leased {
	t.Helper()
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{RevokeOnClose: true})
	l.server.LeaseRole("database", "other", &vaulttest.LeaseOptions{TTL: 2 * time.Hour})
	l.server.LeaseRole("database", "short", &vaulttest.LeaseOptions{TTL: time.Minute})
	_, err := l.Get(t.Context(), hush.Name("database/creds/short"))
	require.NoError(t, err)
	l.requireGet(t, creds)
	l.Advance(time.Hour)
	l.requireGet(t, creds)
	l.requireGet(t, creds.Fresh())
	_, err = l.Get(t.Context(), other)
	require.NoError(t, err)
	require.Len(t, l.server.Leases(), 3)
	return l
}

// requireCloseFailure requires Close to fail with class.
func (l leased) requireCloseFailure(t *testing.T, class hush.Class, says string) {
	t.Helper()
	err := l.Close()
	require.Error(t, err)
	assert.Equal(t, class, hush.ClassOf(err), "%v", err)
	assert.ErrorContains(t, err, says)
	assert.Empty(t, providertest.Leaks(err, leaseCanary, l.server.RootToken()))
}

func TestCloseRevokesUsableLeases(t *testing.T) {
	l := newRevoking(t)
	require.NoError(t, l.Close())
	assert.Empty(t, l.server.Leases())
	assert.Equal(t, 3, l.calls(vaulttest.RevokeLease))
	assert.Equal(t, 2, l.server.Counts().LeasesExpired)
	calls := l.server.Calls(vaulttest.Call{})
	assert.ErrorContains(t, l.requireFailure(t, creds, hush.ErrUnavailable), "the reader is closed")
	assert.ErrorContains(t, l.requireFailure(t, creds.Fresh(), hush.ErrUnavailable), "the reader is closed")
	require.NoError(t, l.Close())
	assert.Equal(t, calls, l.server.Calls(vaulttest.Call{}))
}

func TestCloseDoesNotRevokeByDefault(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	first := l.requireGet(t, creds)
	l.requireGet(t, creds.Fresh())
	require.NoError(t, l.Close())
	assert.True(t, l.lives(first))
	assert.Len(t, l.server.Leases(), 2)
	l.requireFailure(t, creds, hush.ErrUnavailable)
}

func TestCloseOfAReaderWithoutLeases(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{NoLease: true}, vault.ReaderOptions{RevokeOnClose: true})
	_, err := l.Get(t.Context(), creds)
	require.NoError(t, err)
	calls := l.server.Calls(vaulttest.Call{})
	require.NoError(t, l.Close())
	assert.Equal(t, calls, l.server.Calls(vaulttest.Call{}))
	unable := vault.NewReader(l.server.Client(), &vault.ReaderOptions{Mounts: []string{"sys"}, RevokeOnClose: true})
	require.NoError(t, unable.Close())
}

func TestCloseWaitsForPendingRequests(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{RevokeOnClose: true})
	l.server.LeaseRole("database", "other", nil)
	release := l.server.Hang(vaulttest.Read)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := l.Get(t.Context(), creds)
		assert.NoError(t, err)
	})
	l.waitForCalls(t, vaulttest.Read, 1)
	wg.Go(func() { assert.NoError(t, l.Close()) })
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := l.Get(ctx, other)
		return hush.ClassOf(err) == hush.ErrUnavailable
	}, 10*time.Second, time.Millisecond, "it is closed for everybody else")
	release()
	wg.Wait()
	assert.Empty(t, l.server.Leases())
	assert.Positive(t, l.server.Counts().LeasesRevoked)
}

func TestCloseReportsLeasesThatItCannotRevoke(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault func(*vaulttest.Server)
		class hush.Class
		says  string
	}{
		"down":    {func(s *vaulttest.Server) { s.Break() }, hush.ErrUnavailable, "3 of 3 leases are not revoked: dial"},
		"sealed":  {func(s *vaulttest.Server) { s.Seal() }, hush.ErrUnavailable, "3 of 3 leases are not revoked: Vault is sealed"},
		"refused": {failRevoke(403, 0), hush.ErrDenied, "3 of 3 leases are not revoked: no policy"},
		"once":    {failRevoke(500, 1), hush.ErrUnavailable, "1 of 3 leases are not revoked: Vault failed"},
		"hang":    {func(s *vaulttest.Server) { s.Hang(vaulttest.RevokeLease) }, hush.ErrUnavailable, "Vault took longer than its limit"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newRevoking(t)
			if name == "hang" {
				l.Reader = vault.NewReader(l.server.Client(), &vault.ReaderOptions{
					Mounts: []string{"database"}, Timeout: time.Second, RevokeOnClose: true,
				})
				l.SetClock(l.Now)
				l.requireGet(t, creds)
			}
			c.fault(l.server)
			l.requireCloseFailure(t, c.class, c.says)
			require.NoError(t, l.Close())
		})
	}
}

func failRevoke(status, times int) func(*vaulttest.Server) {
	return func(s *vaulttest.Server) {
		s.Fail(vaulttest.Failure{Operation: vaulttest.RevokeLease, Status: status, Times: times, Errors: []string{leaseCanary}})
	}
}

// Vault revokes the leases of a revoked token.
func TestCloseAfterTheTokenWasRevoked(t *testing.T) {
	server := startVault(t)
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", &vaulttest.LeaseOptions{TTL: time.Hour})
	roleID, secretID := server.AppRole("approle", "app", nil)
	r := vault.NewReader(server.Client(), &vault.ReaderOptions{
		Mounts: []string{"database"}, RevokeOnClose: true,
		Auth: auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(secretID)))}),
	})
	_, err := r.Get(t.Context(), creds)
	require.NoError(t, err)
	server.RevokeLogins()
	require.NoError(t, r.Close())
}

func TestCloseRevokesLeasesConcurrently(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{RevokeOnClose: true})
	for range 8 {
		l.requireGet(t, creds.Fresh())
	}
	release := l.server.Hang(vaulttest.RevokeLease)
	done := make(chan error)
	go func() { done <- l.Close() }()
	require.Eventually(t, func() bool { return l.server.Calls(vaulttest.Call{Operation: vaulttest.RevokeLease}) == 8 }, 10*time.Second, time.Millisecond)
	release()
	require.NoError(t, <-done)
	assert.Empty(t, l.server.Leases())
}
