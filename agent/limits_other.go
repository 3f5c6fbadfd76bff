//go:build !unix

package agent

import (
	"math"
	"net"
)

// openFiles returns how many files this process may have open.
func openFiles() uint64 { return math.MaxInt32 }

func limitReceiveBuffer(net.Listener) error { return nil }

// hasUnread would report whether conn has received bytes that have not been read yet.
func hasUnread(net.Conn) bool { return false }
