//go:build unix && !linux

package pg

import "syscall"

// attributes starts the server in a new process group. The server does not receive signals to
// the process group of the test, such as Ctrl-C.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
