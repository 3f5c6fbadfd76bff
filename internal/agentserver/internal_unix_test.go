//go:build unix

package agentserver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hush-secrets/hush/internal/test/linkswap"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file that other users can write is never read as the token, even while another user
// keeps replacing it with a link to a trusted file.
func TestReadTokenWhileTheFileIsReplaced(t *testing.T) {
	trusted, untrusted := filepath.Join(t.TempDir(), "trusted"), filepath.Join(t.TempDir(), "untrusted")
	require.NoError(t, os.WriteFile(trusted, []byte("trusted"), 0o600))
	require.NoError(t, os.WriteFile(untrusted, []byte("untrusted"), 0o600))
	require.NoError(t, os.Chmod(untrusted, 0o666))
	path := filepath.Join(t.TempDir(), "token")
	defer linkswap.Start(t, path, trusted, untrusted)()
	accepted := 0
	for range 5000 {
		if token, err := readToken(tokenFileFlag, path); err == nil {
			require.Equal(t, "trusted", token.Text)
			accepted++
		}
	}
	assert.NotZero(t, accepted)
}
