//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/hush-secrets/hush/internal/test/linkswap"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadConfigFileTrustsOnlyThisUser(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink(file, configFile))
	refused := func(want string) {
		t.Helper()
		text, err := readConfigFile()
		assert.Nil(t, text)
		assert.ErrorContains(t, err, "hush.yaml in the working directory "+want)
		assert.ErrorContains(t, err, "; use --config hush.yaml if you trust it")
	}
	accepted := func() {
		t.Helper()
		_, err := readConfigFile()
		assert.NoError(t, err)
	}
	accepted()
	require.NoError(t, os.Chmod(file, 0o620))
	refused("can be written by other users")
	require.NoError(t, os.Chmod(file, 0o600))
	require.NoError(t, os.Chmod(dir, 0o777))
	refused("is in a directory that all users can write to")
	require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	accepted()
	require.NoError(t, os.Chmod(dir, 0o775))
	accepted()
	if os.Geteuid() != 0 {
		return
	}
	require.NoError(t, os.Chown(dir, 0, 4711))
	require.NoError(t, os.Chmod(dir, 0o775))
	refused("is in a directory that a group of other users can write to")
	require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	require.NoError(t, os.Lchown(configFile, 4711, 0))
	refused("belongs to another user")
	require.NoError(t, os.Lchown(configFile, 0, 0))
	require.NoError(t, os.Chown(dir, 4711, 0))
	refused("is in a directory that belongs to another user")
}

// A file that other users can write is never read as the configuration, even while
// another user keeps replacing it with a link to a trusted file.
func TestReadConfigFileWhileItIsReplaced(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	trusted, untrusted := filepath.Join(t.TempDir(), "trusted"), filepath.Join(t.TempDir(), "untrusted")
	require.NoError(t, os.WriteFile(trusted, []byte("trusted"), 0o600))
	require.NoError(t, os.WriteFile(untrusted, []byte("untrusted"), 0o600))
	require.NoError(t, os.Chmod(untrusted, 0o666))
	path := filepath.Join(dir, configFile)
	defer linkswap.Start(t, path, trusted, untrusted)()
	accepted := 0
	for range 5000 {
		if text, err := readConfigFile(); err == nil {
			require.Equal(t, "trusted", string(text))
			accepted++
		}
	}
	assert.NotZero(t, accepted)
}

// Names are case-sensitive, except on Windows.
func TestCheckVariableNameIsCaseSensitive(t *testing.T) {
	for _, name := range []string{"env", "ifs", "ld_preload", "Path"} {
		assert.NoError(t, checkVariableName(name), name)
	}
}
