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
	var setErr error
	err := control(l, func(fd int) {
		setErr = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
	})
	return cmp.Or(err, setErr)
}

// hasUnread reports whether conn has received bytes that nothing has read yet.
func hasUnread(conn net.Conn) bool {
	n := 0
	_ = control(conn, func(fd int) { // fails if conn is closed
		n, _, _ = syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_PEEK)
	})
	return n > 0
}

// control calls f with the file descriptor of a listener or connection. It does nothing if
// that is not a socket, such as net.Pipe.
func control(conn any, f func(fd int)) error {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}
