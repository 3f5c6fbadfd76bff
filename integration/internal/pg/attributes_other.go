//go:build unix && !linux

package pg

import "syscall"

// attributes keeps a signal to the test's process group, such as that of Ctrl-C,
// from the server.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
