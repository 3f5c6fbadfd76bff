//go:build unix

package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
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

func TestDistrustDir(t *testing.T) {
	us, group := uint32(os.Geteuid()), uint32(os.Getegid())
	for _, c := range []struct {
		uid, gid uint32
		mode     fs.FileMode
		trusted  bool
	}{
		{us, group, 0o755, true},
		{0, group, 0o755, true},
		{us, group, 0o775, true},
		{us, group + 4711, 0o755, true},
		{us, group + 4711, 0o775, false},
		{us, group, 0o757, false},
		{us, group, 0o777, false},
		{us, group + 4711, 0o777 | fs.ModeSticky, true},
		{0, 0, 0o777 | fs.ModeSticky, true},
		{us + 4711, group, 0o755, false},
		{us + 4711, group, 0o777 | fs.ModeSticky, false}, // the owner of the directory can exchange its files
	} {
		dir := owned{sys: &syscall.Stat_t{Uid: c.uid, Gid: c.gid}, mode: fs.ModeDir | c.mode}
		assert.Equal(t, c.trusted, distrustDir(dir) == "", "%+v: %s", c, distrustDir(dir))
	}
	assert.NotEmpty(t, distrustDir(owned{}), "a directory of an unknown owner")
}

func TestFindConfigTrustsOnlyThisUser(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink(file, configFile))
	refused := func(want string) {
		t.Helper()
		text, err := findConfig()
		assert.Nil(t, text)
		assert.ErrorContains(t, err, "hush.yaml in the working directory "+want)
		assert.ErrorContains(t, err, "; use --config hush.yaml if you trust it")
	}
	accepted := func() {
		t.Helper()
		_, err := findConfig()
		assert.NoError(t, err)
	}
	accepted()
	require.NoError(t, os.Chmod(file, 0o620))
	refused("can be written by others")
	require.NoError(t, os.Chmod(file, 0o600))
	require.NoError(t, os.Chmod(dir, 0o777))
	refused("is in a directory that others can write to")
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

// exchange makes path a link to each of files in turn, until stop is called.
func exchange(t *testing.T, path string, files ...string) (stop func()) {
	t.Helper()
	require.NoError(t, os.Symlink(files[0], path))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if !assert.NoError(t, os.Symlink(files[i%len(files)], path+".next")) || !assert.NoError(t, os.Rename(path+".next", path)) {
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// A file that others can write is never read as the token or as the configuration,
// however often it is exchanged with one of ours.
func TestFilesThatAreExchanged(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	ours, theirs := filepath.Join(t.TempDir(), "ours"), filepath.Join(t.TempDir(), "theirs")
	require.NoError(t, os.WriteFile(ours, []byte("ours"), 0o600))
	require.NoError(t, os.WriteFile(theirs, []byte("theirs"), 0o600))
	require.NoError(t, os.Chmod(theirs, 0o666))
	defer exchange(t, filepath.Join(dir, configFile), ours, theirs)()
	read := map[string]int{}
	for range 5000 {
		if token, err := readToken("--token-file", filepath.Join(dir, configFile)); err == nil {
			require.Equal(t, "ours", token.text)
			read["token"]++
		}
		if text, err := findConfig(); err == nil {
			require.Equal(t, "ours", string(text))
			read["configuration"]++
		}
	}
	assert.NotZero(t, read["token"])
	assert.NotZero(t, read["configuration"])
}

// Except on Windows, the case of a name is significant.
func TestCheckVariableIsCaseSensitive(t *testing.T) {
	for _, name := range []string{"env", "ifs", "ld_preload", "Path"} {
		assert.NoError(t, checkVariable(name), name)
	}
}
