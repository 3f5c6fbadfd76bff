//go:build unix

package main

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// distrust returns why another user may have written a file, or "" if only this user
// and the superuser can write it. The mode of a symbolic link has no meaning.
func distrust(info fs.FileInfo) string {
	switch {
	case !trustedOwner(info):
		return "belongs to another user"
	case info.Mode()&fs.ModeSymlink == 0 && info.Mode()&0o022 != 0:
		return "can be written by others (chmod go-w removes that)"
	}
	return ""
}

// distrustDir returns why another user can exchange the files of a directory, or "".
// In a directory with the sticky bit, such as /tmp, only its owner can exchange files
// of others. A directory that a group of this process can write is trusted: many
// systems create all files so, for a group that has one member.
func distrustDir(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !trustedOwner(info):
		return "belongs to another user"
	case info.Mode()&fs.ModeSticky != 0:
		return ""
	case info.Mode()&0o002 != 0:
		return "others can write to (chmod o-w removes that)"
	case info.Mode()&0o020 != 0 && !inGroup(int(stat.Gid)):
		return "a group of other users can write to (chmod g-w removes that)"
	}
	return ""
}

// trustedOwner reports whether this user or the superuser owns a file.
func trustedOwner(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Geteuid())
}

// inGroup reports whether this process is in a group.
func inGroup(gid int) bool {
	groups, err := os.Getgroups()
	return gid == os.Getegid() || err == nil && slices.Contains(groups, gid)
}
