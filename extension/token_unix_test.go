//go:build unix

package extension_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
)

// TestTokenInAFIFO checks that opening a FIFO does not wait for its writer.
func TestTokenInAFIFO(t *testing.T) {
	outside(t)
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	t.Setenv("AWS_TOKEN", "file://"+path)
	p := open(t, extension.Options{})
	p.FailOnDial(t)
	_, err := p.Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "not a regular file")
}
