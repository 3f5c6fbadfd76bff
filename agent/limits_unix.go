//go:build unix

package agent

import (
	"math"
	"net"
	"syscall"
)

// openFiles returns how many files this process may have open.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32 // the limit of a platform that does not tell it
	}
	return uint64(limit.Cur) //nolint:unconvert // it is signed on some platforms
}

// limitReceiveBuffer bounds the memory in the kernel for bytes that the agent has not
// read. Accepted connections inherit the listener's limit.
func limitReceiveBuffer(l net.Listener) error {
	s, ok := l.(syscall.Conn)
	if !ok {
		return nil // a listener of the caller's own kind
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
	})
	if err != nil {
		return err
	}
	return failed
}
