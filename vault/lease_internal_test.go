package vault

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// A read may find the Reader open and start its request when it is closed.
func TestNoRequestStartsAfterClose(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	r := NewReader(server.Client(), &ReaderOptions{Mounts: []string{"database"}, RevokeOnClose: true})
	require.NoError(t, r.Close())
	r.mu.Lock()
	s := &slot{}
	r.start(t.Context(), "database/creds/app", s, false)
	r.mu.Unlock()
	_, err = s.pending.wait(t.Context())
	assert.Same(t, errClosed, err)
	assert.Zero(t, server.Calls(vaulttest.Call{}))
}

func TestReplacedLeasesAreKeptForRevocation(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", nil)
	for revoke, kept := range map[bool]int{true: 3, false: 0} {
		r := NewReader(server.Client(), &ReaderOptions{Mounts: []string{"database"}, RevokeOnClose: revoke})
		for range 4 {
			_, err := r.Get(t.Context(), hush.Name("database/creds/app").Fresh())
			require.NoError(t, err)
		}
		assert.Len(t, r.replaced, kept)
	}
}

// A Reader keeps the usable leases, and no slot for each path that was ever read.
func TestExpiredLeasesAreDropped(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Mount("database", vaulttest.Database)
	r := NewReader(server.Client(), &ReaderOptions{Mounts: []string{"database"}, RevokeOnClose: true})
	start := clock.New()()
	r.session.now = func() clock.Instant { return start }
	const roles = 2 * minCleanup
	readAll := func(prefix string) (held int) {
		for i := range roles {
			role := prefix + strconv.Itoa(i)
			server.LeaseRole("database", role, nil)
			_, err := r.Get(t.Context(), hush.Name("database/creds/"+role))
			require.NoError(t, err)
		}
		return len(r.slots)
	}
	assert.Equal(t, roles, readAll("first-"), "all are usable")
	start = start.Add(10000 * time.Hour)
	assert.Equal(t, roles, readAll("second-"), "the leases of the first reads have ended")
	for path := range r.slots {
		assert.Contains(t, path, "second-")
	}
	assert.NoError(t, r.Close(), "Close revokes the usable leases")
	assert.Equal(t, roles, server.Counts().LeasesRevoked)
}

// A request may end after its slot was dropped.
func TestLeaseOfADroppedSlotIsRevoked(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	r := NewReader(server.Client(), &ReaderOptions{Mounts: []string{"database"}, RevokeOnClose: true})
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", nil)
	r.mu.Lock()
	dropped := &slot{}
	r.start(t.Context(), "database/creds/app", dropped, false)
	r.mu.Unlock()
	_, err = dropped.pending.wait(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Close())
	assert.Equal(t, 1, server.Counts().LeasesRevoked)
}
