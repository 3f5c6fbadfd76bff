package secretfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/secretfile"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for _, content := range [][]byte{{}, []byte("hunter2\r\n"), {0, 0xff}, bytes.Repeat([]byte("x"), 64)} {
		path := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		got, err := secretfile.Read(path, 64)
		require.NoError(t, err)
		assert.Equal(t, content, got)
	}
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("file", link))
	got, err := secretfile.Read(link, 64)
	require.NoError(t, err, "Kubernetes mounts secrets as links")
	assert.Len(t, got, 64)
}

func TestReadFails(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(large, bytes.Repeat([]byte("x"), 65), 0o600))
	for path, says := range map[string]string{
		filepath.Join(dir, "hunter2"):   "does not exist",
		dir:                             "is a directory, a pipe or a device, not a regular file",
		os.DevNull:                      "is a directory, a pipe or a device, not a regular file",
		large:                           "exceeds the limit of 64 bytes",
		filepath.Join(large, "hunter2"): "cannot be read: " + syscall.ENOTDIR.Error(),
		"":                              "does not exist",
	} {
		content, err := secretfile.Read(path, 64)
		require.Error(t, err, path)
		assert.Nil(t, content)
		assert.Equal(t, says, secretfile.Reason(err))
	}
}

// TestReason uses errors and not files, because the superuser can read every file.
func TestReason(t *testing.T) {
	assert.Equal(t, "is not readable by this process", secretfile.Reason(&fs.PathError{Path: "hunter2", Err: syscall.EACCES}))
	assert.Equal(t, "cannot be read: "+syscall.EIO.Error(), secretfile.Reason(&fs.PathError{Path: "hunter2", Err: syscall.EIO}))
	assert.Equal(t, "cannot be read", secretfile.Reason(errors.New("hunter2")))
}
