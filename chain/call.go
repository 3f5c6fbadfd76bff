package chain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hush-secrets/hush"
)

// A Call describes one of three events: a call of a link, a link that was skipped, or a
// lookup that ended without the secret.
type Call struct {
	Provider string        // the link's name; "chain" if Unresolved
	Link     int           // the link's position in the chain, from 1; 0 if Unresolved
	Ref      hush.Ref      // without field and freshness; if Unresolved, the Ref of the Get
	Latency  time.Duration // of this call; if Unresolved, of all calls of the lookup
	Version  string        // of the secret; empty if it is unknown
	Attempt  int           // counts the calls of the lookup from 1; 0 if Skipped; if Unresolved, their number
	Front    bool          // the link is a front of a later store
	Fallback bool          // the secret is a fallback
	Err      error         // a *hush.Error; nil if the link returned the secret

	// Skipped means that the chain did not call the link, for the reason in Err: its
	// breaker is open, or its store has throttled another front. A last-resort call of
	// the link is a further Call.
	Skipped bool

	// Unresolved means that the lookup has ended without the secret. It is the last Call
	// of the lookup. Do not count it as a call of a store.
	Unresolved bool

	// Breaker is "opened" or "closed" if this call opened or closed the link's breaker,
	// otherwise empty.
	Breaker string
	// Failures is the number of consecutive failed calls of the link, if the breaker
	// counts this call as a failure. If this call closed the breaker, Failures is the
	// number before it.
	Failures int
	// Wait is the time until the next probe if the link's breaker is open: after a failed
	// call, and for a link that was skipped while no probe is in flight.
	Wait time.Duration
}

// Outcome returns "ok", "skipped", or the text of Err's class.
func (c Call) Outcome() string {
	switch {
	case c.Skipped:
		return "skipped"
	case c.Err == nil:
		return "ok"
	}
	return hush.ClassOf(c.Err).Error()
}

// level returns the level of c's log line, as Options.Logger documents.
func (c Call) level() slog.Level {
	class, canceled := hush.ClassOf(c.Err), errors.Is(c.Err, context.Canceled)
	switch {
	case c.Skipped, notParticipating(class), canceled && (c.Unresolved || class == hush.ErrCanceled):
		return slog.LevelDebug
	case c.Unresolved && class != hush.ErrNotFound:
		return slog.LevelError
	case c.Unresolved:
		return slog.LevelInfo
	case class == 0 && c.Link <= 1, class == hush.ErrNotFound:
		return slog.LevelDebug
	case class == 0, c.Front:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// notParticipating reports whether class means that the store takes no part in the
// lookup, because of the configuration of the program.
func notParticipating(class hush.Class) bool {
	return class == hush.ErrAbsent || class == hush.ErrUnsupported
}
