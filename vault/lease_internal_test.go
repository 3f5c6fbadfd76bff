package vault

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/vaulttest"
)

// A read may find the Reader open, and begin when it is closed.
func TestNothingIsAskedForAfterClose(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	r := NewReader(server.Client(), &ReaderOptions{Mounts: []string{"database"}, RevokeOnClose: true})
	require.NoError(t, r.Close())
	r.mu.Lock()
	w := r.begin(t.Context(), "database/creds/app", &slot{}, false)
	r.mu.Unlock()
	_, err = w.wait(t.Context())
	assert.Same(t, errClosed, err)
	assert.Zero(t, server.Calls(vaulttest.Call{}))
}

// Leases that took the place of others are kept for Close to revoke, and for nothing
// else.
func TestWhatIsRememberedOfReplacedLeases(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Mount("database", vaulttest.Database)
	server.Lease("database", "app", nil)
	for revoke, kept := range map[bool]int{true: 3, false: 0} {
		r := NewReader(server.Client(), &ReaderOptions{Mounts: []string{"database"}, RevokeOnClose: revoke})
		for range 4 {
			_, err := r.Get(t.Context(), hush.Name("database/creds/app").Fresh())
			require.NoError(t, err)
		}
		assert.Len(t, r.old, kept)
	}
}
