package pg

import "syscall"

// attributes makes the kernel stop the server if this process ends without Stop, for example
// because a test timed out. The server does not receive signals to the process group of the
// test, such as Ctrl-C.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}
