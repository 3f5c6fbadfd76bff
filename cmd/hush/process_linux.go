package main

import "golang.org/x/sys/unix"

// denyMemoryAccess prevents other processes of this user from reading the memory and
// the environment of this process. It also prevents the core dumps that the kernel
// sends to a program, which RLIMIT_CORE does not limit. execve undoes it.
func denyMemoryAccess() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // without it, hush still works
}
