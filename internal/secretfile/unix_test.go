//go:build unix

package secretfile_test

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/secretfile"
	"github.com/hush-secrets/hush/internal/test/linkswap"
)

func TestReadDoesNotWait(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	for _, path := range []string{fifo, socket} {
		content, info, err := secretfile.ReadInfo(path, 64)
		require.Error(t, err, path)
		assert.Nil(t, content)
		assert.Nil(t, info)
		assert.Equal(t, "is a directory, a pipe or a device, not a regular file", secretfile.Reason(err))
	}
}

// TestReadOfAPathThatBecomesAFIFO replaces a regular file by a FIFO during reads, which
// must not wait.
func TestReadOfAPathThatBecomesAFIFO(t *testing.T) {
	dir := t.TempDir()
	file, fifo, path := filepath.Join(dir, "file"), filepath.Join(dir, "fifo"), filepath.Join(dir, "path")
	require.NoError(t, os.WriteFile(file, []byte("hunter2"), 0o600))
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	defer linkswap.Start(t, path, file, fifo)()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 5000 {
			if content, err := secretfile.Read(path, 64); err == nil {
				assert.Equal(t, "hunter2", string(content))
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		assert.Fail(t, "a read waits for the writer of a FIFO")
	}
}

// TestReadInfoIsOfTheFileThatWasRead compares the mode with the content.
func TestReadInfoIsOfTheFileThatWasRead(t *testing.T) {
	dir := t.TempDir()
	ours, theirs, path := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs"), filepath.Join(dir, "path")
	require.NoError(t, os.WriteFile(ours, []byte("ours"), 0o600))
	require.NoError(t, os.WriteFile(theirs, []byte("theirs"), 0o600))
	require.NoError(t, os.Chmod(theirs, 0o666))
	defer linkswap.Start(t, path, ours, theirs)()
	for range 5000 {
		content, info, err := secretfile.ReadInfo(path, 64)
		require.NoError(t, err)
		require.Equal(t, string(content) == "ours", info.Mode() == 0o600, "%s has the mode %v", content, info.Mode())
	}
}
