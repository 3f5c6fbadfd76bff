//go:build unix

package secretfile

import (
	"errors"
	"os"
	"syscall"
)

// open opens path for reading. It waits neither for the writer of a FIFO nor for a
// terminal, and does not make a terminal the controlling one.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if errors.Is(err, syscall.ENXIO) { // a socket, or a device without its hardware
		return nil, errNotRegular
	}
	return f, err
}
