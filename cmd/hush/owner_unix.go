//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// distrust returns why a file may say what somebody else wants, and nothing if it is
// this user's or the superuser's alone. The mode of a link says nothing.
func distrust(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
		return "belongs to another user"
	case info.Mode()&fs.ModeSymlink == 0 && info.Mode()&0o022 != 0:
		return "can be written by others (chmod go-w takes that away)"
	}
	return ""
}
