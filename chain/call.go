package chain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hush-secrets/hush"
)

// A Call is the facts of one call of one link, or of a link that was skipped.
type Call struct {
	Provider string        // the link's name
	Link     int           // its place in the chain: 1 for the first
	Ref      hush.Ref      // what the link was asked for: no field, no freshness
	Class    hush.Class    // zero: the link answered with a secret
	Latency  time.Duration // of this call alone
	Version  string        // of the secret; empty if there is none
	Attempt  int           // 1 for the first link that this Get asked; 0 if Skipped
	Front    bool          // the link fronts for a store after it
	Fallback bool          // the secret is marked as one
	Skipped  bool          // the link was not asked, for the reason in Class and Err
	Err      error         // a *hush.Error; nil if the link answered

	// Breaker is "opened" or "closed" if the end of this call opened or closed the
	// link's breaker, else empty.
	Breaker string
	// Failures is how many calls of the link have now failed in a row, if this one
	// did and its breaker counts it; how many had, if this one closed the breaker.
	Failures int
	// Wait is how long the link's open breaker will skip it from now on: after a
	// call that failed, and for a link that was skipped, if no probe is under way.
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

// Level returns how much the call deserves attention: Debug for an answer of the
// chain's first link, for what is not here, not found, not supported or skipped,
// and for a caller that cancelled; Info for an answer of a later link and for a
// front's failure; Warn for a store's failure, also when the caller's deadline cut
// it off. What the call did to a breaker is a line of its own, at Warn.
func (c Call) Level() slog.Level {
	switch {
	case c.Skipped, c.Class == 0 && c.Link <= 1, quiet(c.Class), c.Class == hush.ErrNotFound:
		return slog.LevelDebug
	case c.Class == hush.ErrCanceled && errors.Is(c.Err, context.Canceled):
		return slog.LevelDebug
	case c.Class == 0, c.Front:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// quiet classes say that a store takes no part, which is how it is configured.
func quiet(class hush.Class) bool { return class == hush.ErrAbsent || class == hush.ErrUnsupported }
