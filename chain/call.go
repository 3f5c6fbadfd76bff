package chain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hush-secrets/hush"
)

// A Call describes one call of one link, a link that was not called, or a whole search
// in which no link returned the secret.
type Call struct {
	Provider string        // the link's name; "chain" if Unresolved
	Link     int           // its place in the chain, 1 for the first; 0 if Unresolved
	Ref      hush.Ref      // the Ref of the call: no field, no freshness; if Unresolved, that of the Get
	Class    hush.Class    // zero: the link returned the secret
	Latency  time.Duration // of this call alone; if Unresolved, of all calls of the search
	Version  string        // of the secret; empty if there is none
	Attempt  int           // 1 for the first link that this Get called; 0 if Skipped; if Unresolved, the number of calls
	Front    bool          // the link is a front of a store after it
	Fallback bool          // the secret is marked as a fallback
	Err      error         // a *hush.Error; nil if the link returned the secret

	// Skipped means that the link was not called, for the reason in Class and Err. A
	// link that its breaker holds back is skipped. If it is called after all, because no
	// other link returned the secret, that call is another Call.
	Skipped bool

	// Unresolved means that the search has ended without the secret. It is the last Call
	// of such a search, after those of its links. Metrics that count calls leave it out.
	Unresolved bool

	// Breaker is "opened" or "closed" if the end of this call opened or closed the
	// link's breaker, otherwise empty.
	Breaker string
	// Failures is the number of consecutive failed calls of the link, if this call
	// failed and the breaker counts it. If this call closed the breaker, Failures is
	// the number before it.
	Failures int
	// Wait is the time until the next probe of a link whose breaker is open: after a
	// failed call, and for a link that was skipped if no probe is in flight.
	Wait time.Duration
}

// Outcome returns "ok", "skipped" or the text of the class.
func (c Call) Outcome() string {
	switch {
	case c.Skipped:
		return "skipped"
	case c.Class == 0:
		return "ok"
	}
	return c.Class.Error()
}

// Level returns the level of the call's log line. For a call of a link:
//
//   - Debug: the first link returned the secret; a link was skipped, absent, or does
//     not support the Ref; the secret was not found; the caller canceled.
//   - Info: a later link returned the secret; a front failed.
//   - Warn: a store failed, or the caller's deadline cut it off.
//
// For a search without a result: Debug if its class is ErrAbsent or ErrUnsupported or
// the caller canceled, Info if its class is ErrNotFound, otherwise Error. A breaker that
// opens or closes is a line of its own, at Warn.
func (c Call) Level() slog.Level {
	canceled := errors.Is(c.Err, context.Canceled)
	switch {
	case c.Skipped, notParticipating(c.Class), canceled && (c.Unresolved || c.Class == hush.ErrCanceled):
		return slog.LevelDebug
	case c.Unresolved:
		if c.Class == hush.ErrNotFound {
			return slog.LevelInfo
		}
		return slog.LevelError
	case c.Class == 0 && c.Link <= 1, c.Class == hush.ErrNotFound:
		return slog.LevelDebug
	case c.Class == 0, c.Front:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// notParticipating reports whether class means that a store takes no part in the
// search because of how the program is configured.
func notParticipating(class hush.Class) bool {
	return class == hush.ErrAbsent || class == hush.ErrUnsupported
}
