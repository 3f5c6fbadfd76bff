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

// hasUnread reports whether conn has received bytes that have not been read yet.
func hasUnread(conn net.Conn) bool {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return false // a connection of another kind, such as net.Pipe
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	_ = raw.Control(func(fd uintptr) { // it fails if conn is closed
		n, _, _ = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	})
	return n > 0
}
