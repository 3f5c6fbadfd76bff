//go:build unix

package env_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/env"
)

// TestFIFO checks that opening a FIFO does not wait for its writer.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	unset(t, "HUSHTEST_DB")
	t.Setenv("HUSHTEST_DB_FILE", path)
	_, err := env.New(&env.Options{Files: true}).Get(t.Context(), hush.Name("hushtest/db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.ErrorContains(t, err, "not a regular file")
}

func TestSymlinks(t *testing.T) {
	dir := t.TempDir()
	loop, link := filepath.Join(dir, "loop"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(loop, loop))
	require.NoError(t, os.Symlink(file(t, "HUSHTEST_X", []byte("linked")), link))
	unset(t, "HUSHTEST_DB")
	p := env.New(&env.Options{Files: true})

	t.Setenv("HUSHTEST_DB_FILE", link)
	got, err := p.Get(t.Context(), hush.Name("hushtest/db"))
	require.NoError(t, err, "Kubernetes mounts secrets as links")
	assert.Equal(t, "linked", got.Value.Reveal())

	t.Setenv("HUSHTEST_DB_FILE", loop)
	_, err = p.Get(t.Context(), hush.Name("hushtest/db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.ErrorContains(t, err, "cannot be read: ")
	assert.NotContains(t, err.Error(), dir)
}

// TestUnreadableFile expects a value if it runs as the superuser.
func TestUnreadableFile(t *testing.T) {
	unset(t, "HUSHTEST_DB")
	path := file(t, "HUSHTEST_DB_FILE", []byte("hunter2"))
	require.NoError(t, os.Chmod(path, 0))
	_, err := env.New(&env.Options{Files: true}).Get(t.Context(), hush.Name("hushtest/db"))
	if os.Geteuid() == 0 {
		require.NoError(t, err)
		return
	}
	assert.Equal(t, hush.ErrDenied, hush.ClassOf(err))
	assert.ErrorContains(t, err, "is not readable by this process")
	assert.NotContains(t, err.Error(), path)
}
