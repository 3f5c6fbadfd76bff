package agent

import "time"

// The limit of connections that have not shown the token, all of them together.
const (
	// maxUnauthenticated is how many bytes of requests they may have sent to net/http,
	// which makes up to twenty times as many bytes of headers of them.
	maxUnauthenticated = 1 << 20

	// connCharge is counted in addition for each of them. It is what net/http reads at
	// once.
	connCharge = 4 << 10

	// A connection is not closed for another one before the server has waited this long
	// for its first byte, or for more of its request. A client needs a moment between
	// connecting and sending, and so does the server between asking the kernel for bytes
	// and getting those that are there.
	minSilence = 250 * time.Millisecond
	minWait    = 10 * time.Millisecond
)
