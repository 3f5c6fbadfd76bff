package main

import "golang.org/x/sys/unix"

// hide keeps other processes of this user from reading the memory and the
// environment of this one, and the system from handing a core dump to a program,
// which it does whatever the limit is. It ends when this process becomes another.
func hide() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // a system that refuses has no less than before
}
