//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDistrust(t *testing.T) {
	us := os.Geteuid()
	for uid, want := range map[int]bool{us: true, 0: true, us + 4711: false} {
		assert.Equal(t, want, distrust(owned{sys: &syscall.Stat_t{Uid: uint32(uid)}}) == "", uid)
	}
	assert.NotEmpty(t, distrust(owned{}), "a file of nobody knows whom")
	for mode, want := range map[fs.FileMode]bool{
		0o600: true, 0o644: true, 0o755: true, 0o664: false, 0o602: false, 0o777: false, fs.ModeSymlink | 0o777: true,
	} {
		assert.Equal(t, want, distrust(owned{sys: &syscall.Stat_t{Uid: uint32(us)}, mode: mode}) == "", mode)
	}
}

func TestFoundConfigIsForUsAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink(file, configFile))
	_, err := findConfig()
	require.NoError(t, err)
	require.NoError(t, os.Chmod(file, 0o620))
	_, err = findConfig()
	assert.ErrorContains(t, err, "hush.yaml in the working directory can be written by others")
}

// Where capitals make a difference, what is in small letters is another variable.
func TestSmallLetters(t *testing.T) {
	for _, name := range []string{"env", "home", "lines", "editor", "user"} {
		assert.NoError(t, checkMember(name), name)
	}
	assert.Error(t, checkMember("USER"))
}
