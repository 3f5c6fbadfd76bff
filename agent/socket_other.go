//go:build !unix

package agent

import (
	"math"
	"net"
)

// openFiles returns the maximum number of open files, which is unknown on this platform.
func openFiles() uint64 { return math.MaxInt32 }

func limitReceiveBuffer(net.Listener) error { return nil }

// hasUnread returns false, because this platform cannot look for unread bytes.
func hasUnread(net.Conn) bool { return false }
