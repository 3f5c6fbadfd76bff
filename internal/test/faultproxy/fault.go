package faultproxy

import "slices"

// A Fault is a way to fail.
type Fault uint8

// The faults. A connection that one holds is open until the client closes it, or
// until Set or Close; one that it ends is so, too, and sends nothing more.
const (
	// None forwards everything.
	None Fault = iota
	// Refuse closes every connection and refuses new ones.
	Refuse
	// HangBeforeRequest closes every connection; new ones are accepted and held,
	// and nothing is read from them. The proxy does not see a client close one.
	HangBeforeRequest
	// HangAfterRequest reads the request and holds the connection.
	HangAfterRequest
	// ResetInBody sends the server's answer but for its end, and resets.
	ResetInBody
	// Truncate sends the server's answer but for its end, and ends.
	Truncate
	// Drip sends the server's answer byte by byte, with a pause after each, and ends.
	Drip
	// Garbage answers what is no HTTP, and holds.
	Garbage
	// HTTP09 answers a body alone, as HTTP/0.9 did, and ends.
	HTTP09
	// TLS answers a TLS alert, as a TLS server does to what is no handshake, and ends.
	TLS
	// EndlessHeaders answers headers for as long as they are read.
	EndlessHeaders
	// EndlessContinue answers 100 Continue for as long as they are read.
	EndlessContinue
	// HugeBody answers 200 and a body for as long as it is read; its length is said
	// to be a terabyte.
	HugeBody
	// HugeChunks is HugeBody in chunks, so that no length is said.
	HugeChunks
	// HugeRefusal is HugeBody with status 500.
	HugeRefusal
	// EndlessChunks answers 200, the whole body as a chunk, never the last chunk,
	// and holds.
	EndlessChunks
	// LongLength answers 200 and a body that is shorter than its Content-Length,
	// and holds.
	LongLength
	// ShortLength answers 200 and a body that is longer than its Content-Length,
	// and holds.
	ShortLength
	// DeadKept resets a connection at its second request, as one that died while
	// the client was frozen. A client gets its answer if it tries again.
	DeadKept

	faults // how many there are
)

var names = [...]string{
	None: "none", Refuse: "refuse", HangBeforeRequest: "hang before the request",
	HangAfterRequest: "hang after the request", ResetInBody: "reset in the body", Truncate: "truncate",
	Drip: "drip", Garbage: "garbage", HTTP09: "HTTP/0.9", TLS: "TLS", EndlessHeaders: "endless headers",
	EndlessContinue: "endless 100 Continue", HugeBody: "huge body", HugeChunks: "huge chunks",
	HugeRefusal: "huge refusal", EndlessChunks: "chunks without an end", LongLength: "Content-Length too long",
	ShortLength: "Content-Length too short", DeadKept: "kept connection died",
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
