//go:build unix

package agent

import (
	"cmp"
	"math"
	"net"
	"syscall"
)

// openFiles returns the maximum number of open files of this process.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32 // unknown
	}
	return uint64(limit.Cur) //nolint:unconvert // it is signed on some platforms
}

// limitReceiveBuffer limits the kernel's memory for unread bytes. Accepted connections
// inherit the limit of the listener.
func limitReceiveBuffer(l net.Listener) error {
	s, ok := l.(syscall.Conn)
	if !ok {
		return nil // not a socket
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	err = raw.Control(func(fd uintptr) {
		setErr = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
	})
	return cmp.Or(err, setErr)
}

// hasUnread reports whether conn has received bytes that nothing has read yet.
func hasUnread(conn net.Conn) bool {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return false // not a socket, such as net.Pipe
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	_ = raw.Control(func(fd uintptr) { // fails if conn is closed
		n, _, _ = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	})
	return n > 0
}
