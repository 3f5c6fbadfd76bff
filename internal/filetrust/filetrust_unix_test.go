//go:build unix

package filetrust_test

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/internal/filetrust"
)

// fileInfo is a file whose owner and mode are known.
type fileInfo struct {
	fs.FileInfo
	sys  any
	mode fs.FileMode
}

func (f fileInfo) Sys() any          { return f.sys }
func (f fileInfo) Mode() fs.FileMode { return f.mode }

func TestFileProblemDependsOnOwner(t *testing.T) {
	uid := os.Geteuid()
	for owner, trusted := range map[int]bool{uid: true, 0: true, uid + 4711: false} {
		info := fileInfo{sys: &syscall.Stat_t{Uid: uint32(owner)}}
		assert.Equal(t, trusted, filetrust.FileProblem(info) == "", owner)
	}
	assert.NotEmpty(t, filetrust.FileProblem(fileInfo{}), "a file of an unknown owner")
}

func TestFileProblemDependsOnMode(t *testing.T) {
	for mode, trusted := range map[fs.FileMode]bool{
		0o600: true, 0o644: true, 0o755: true, 0o664: false, 0o602: false, 0o777: false, fs.ModeSymlink | 0o777: true,
	} {
		info := fileInfo{sys: &syscall.Stat_t{Uid: uint32(os.Geteuid())}, mode: mode}
		assert.Equal(t, trusted, filetrust.FileProblem(info) == "", mode)
	}
}

func TestDirProblem(t *testing.T) {
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	for _, c := range []struct {
		uid, gid uint32
		mode     fs.FileMode
		trusted  bool
	}{
		{uid, gid, 0o755, true},
		{0, gid, 0o755, true},
		{uid, gid, 0o775, true},
		{uid, gid + 4711, 0o755, true},
		{uid, gid + 4711, 0o775, false},
		{uid, gid, 0o757, false},
		{uid, gid, 0o777, false},
		{uid, gid + 4711, 0o777 | fs.ModeSticky, true},
		{0, 0, 0o777 | fs.ModeSticky, true},
		{uid + 4711, gid, 0o755, false},
		{uid + 4711, gid, 0o777 | fs.ModeSticky, false}, // the owner of the directory can replace its files
	} {
		t.Run(fmt.Sprintf("%d:%d %v", c.uid, c.gid, c.mode), func(t *testing.T) {
			dir := fileInfo{sys: &syscall.Stat_t{Uid: c.uid, Gid: c.gid}, mode: fs.ModeDir | c.mode}
			assert.Equal(t, c.trusted, filetrust.DirProblem(dir) == "", filetrust.DirProblem(dir))
		})
	}
	assert.NotEmpty(t, filetrust.DirProblem(fileInfo{}), "a directory of an unknown owner")
}
