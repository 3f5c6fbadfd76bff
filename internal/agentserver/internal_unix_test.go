//go:build unix

package agentserver

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

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
	require.NoError(t, os.Symlink(trusted, path))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			target := []string{trusted, untrusted}[i%2]
			if !assert.NoError(t, os.Symlink(target, path+".next")) || !assert.NoError(t, os.Rename(path+".next", path)) {
				return
			}
		}
	})
	accepted := 0
	for range 5000 {
		if token, err := readToken(tokenFileFlag, path); err == nil {
			require.Equal(t, "trusted", token.Text)
			accepted++
		}
	}
	assert.NotZero(t, accepted)
}
