//go:build unix

package main_test

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFiles returns the open descriptors, except the standard ones.
func openFiles() []int {
	var open []int
	for fd := 3; fd < 64; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			open = append(open, fd)
		}
	}
	return open
}

func ignoredSignals() []string {
	var ignored []string
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		if signal.Ignored(s) {
			ignored = append(ignored, s.String())
		}
	}
	return ignored
}

// waitForSignals prints each signal that it receives, and ends after SIGTERM.
func waitForSignals() int {
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGWINCH, syscall.SIGTERM)
	_, _ = fmt.Fprintln(os.Stdout, "ready")
	for s := range got {
		_, _ = fmt.Fprintln(os.Stdout, s)
		if s == syscall.SIGTERM {
			return 42
		}
	}
	return 0
}
