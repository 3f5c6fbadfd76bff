package faultproxy

import "slices"

// A Fault is a failure of a network or a server.
type Fault uint8

// The faults. A connection that a fault holds stays open until the client closes it, or
// until Set or Close. A connection that a fault ends sends nothing more, and stays open
// as long.
const (
	// None forwards everything.
	None Fault = iota
	// Refuse closes every connection and refuses new ones.
	Refuse
	// HangBeforeRequest closes every connection. It accepts and holds new ones, and
	// reads nothing from them. The proxy does not notice when a client closes one.
	HangBeforeRequest
	// HangAfterRequest reads the request and holds the connection.
	HangAfterRequest
	// ResetInBody sends the server's response without its end, and resets.
	ResetInBody
	// Truncate sends the server's response without its end, and ends.
	Truncate
	// Drip sends the server's response byte by byte, with a pause after each, and ends.
	Drip
	// Garbage sends bytes that are not HTTP, and holds.
	Garbage
	// HTTP09 sends only a body, as in HTTP/0.9, and ends.
	HTTP09
	// TLS sends a TLS alert, as a TLS server does after an invalid handshake, and ends.
	TLS
	// EndlessHeaders sends headers for as long as the client reads.
	EndlessHeaders
	// EndlessContinue sends 100 Continue for as long as the client reads.
	EndlessContinue
	// HugeBody sends status 200 and a body for as long as the client reads. Its
	// Content-Length is a terabyte.
	HugeBody
	// HugeChunks is HugeBody in chunks, without a Content-Length.
	HugeChunks
	// HugeRefusal is HugeBody with status 500.
	HugeRefusal
	// EndlessChunks sends status 200 and the whole body as a chunk, but not the last
	// chunk, and holds.
	EndlessChunks
	// LongLength sends status 200 and a body that is shorter than its Content-Length,
	// and holds.
	LongLength
	// ShortLength sends status 200 and a body that is longer than its Content-Length,
	// and holds.
	ShortLength
	// DeadKept resets a connection at its second request, as if it had died while the
	// client was frozen. A client succeeds if it tries again.
	DeadKept

	faults // the number of faults
)

var names = [...]string{
	None: "none", Refuse: "refuse", HangBeforeRequest: "hang before the request",
	HangAfterRequest: "hang after the request", ResetInBody: "reset in the body", Truncate: "truncate",
	Drip: "drip", Garbage: "garbage", HTTP09: "HTTP/0.9", TLS: "TLS", EndlessHeaders: "endless headers",
	EndlessContinue: "endless 100 Continue", HugeBody: "huge body", HugeChunks: "huge chunks",
	HugeRefusal: "huge refusal", EndlessChunks: "chunks without an end", LongLength: "Content-Length too long",
	ShortLength: "Content-Length too short", DeadKept: "idle connection died",
}

// String returns the fault in a few words.
func (f Fault) String() string { return names[f] }

// Faults returns every Fault but None.
func Faults() []Fault {
	all := make([]Fault, 0, faults-1)
	for f := None + 1; f < faults; f++ {
		all = append(all, f)
	}
	return slices.Clip(all)
}
