//go:build unix

package main

import "syscall"

// keepPrivate sees to it that this process leaves no core dump with secrets in it,
// and returns what undoes that.
func keepPrivate() (undo func()) {
	hide()
	var found syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &found); err != nil {
		return func() {}
	}
	// Only the limit in force is lowered, so that it can be raised again.
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 0, Max: found.Max}) // lowering is always allowed
	return func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &found) }
}
