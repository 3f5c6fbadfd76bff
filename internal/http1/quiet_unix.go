//go:build unix

package http1

import (
	"errors"
	"syscall"
)

const canPeek = true

// nothingToRead reports whether a non-blocking socket is open and has no bytes to read.
func nothingToRead(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
}
