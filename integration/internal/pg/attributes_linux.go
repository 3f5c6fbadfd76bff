package pg

import "syscall"

// attributes has the kernel stop the server, as Stop does, if this process ends
// without having done so: a test that ran out of time, or was killed. A signal to
// the test's process group, such as that of Ctrl-C, goes by.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}
