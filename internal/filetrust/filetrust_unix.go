//go:build unix

// Package filetrust reports whether another user of this machine can change a file.
// A token or a configuration from such a file cannot be trusted.
package filetrust

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// FileProblem returns why another user may have written the file, such as "belongs to
// another user". It returns "" if only this user and root can write the file. It ignores
// the mode of a symbolic link, because that mode has no meaning.
func FileProblem(info fs.FileInfo) string {
	switch {
	case !hasTrustedOwner(info):
		return "belongs to another user"
	case info.Mode()&fs.ModeSymlink == 0 && info.Mode()&0o022 != 0:
		return "can be written by other users (chmod go-w removes that permission)"
	}
	return ""
}

// DirProblem returns why another user can replace files of the directory, or "".
// In a directory with the sticky bit, such as /tmp, only its owner can replace files of
// other users. DirProblem accepts a directory that a group of this process can write,
// because many systems give each user a group of one and make it the default.
func DirProblem(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !hasTrustedOwner(info):
		return "belongs to another user"
	case info.Mode()&fs.ModeSticky != 0:
		return ""
	case info.Mode()&0o002 != 0:
		return "all users can write to (chmod o-w removes that permission)"
	case info.Mode()&0o020 != 0 && !inGroup(int(stat.Gid)):
		return "a group of other users can write to (chmod g-w removes that permission)"
	}
	return ""
}

// hasTrustedOwner reports whether this user or root owns the file.
func hasTrustedOwner(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Geteuid())
}

// inGroup reports whether this process is a member of the group.
func inGroup(gid int) bool {
	groups, err := os.Getgroups()
	return gid == os.Getegid() || err == nil && slices.Contains(groups, gid)
}
