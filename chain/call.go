package chain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
)

// The messages of all lines, which differ by their fields.
const (
	callMessage    = "secret call"
	failureMessage = "secret not resolved"
)

// A Call is the facts of one call of one link.
type Call struct {
	Provider string        // the link's name
	Ref      hush.Ref      // what the link was asked for: no field, no freshness
	Class    hush.Class    // zero: the link answered with a secret
	Latency  time.Duration // of this call alone
	Version  string        // of the secret; empty if there is none
	Attempt  int           // 1 for the first link that this Get asked; 0 if Skipped
	Front    bool          // the link fronts for a store after it
	Fallback bool          // the secret is marked as one
	Skipped  bool          // the link was not asked, for the reason in Class and Err
	Err      error         // a *hush.Error; nil if the link answered
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
// first link, for what is not here, not found, not supported or skipped, and for
// a caller that cancelled; Info for an answer of a later link and for a front's
// failure; Warn for a store's failure, also when the caller's deadline cut it off.
func (c Call) Level() slog.Level {
	switch {
	case c.Skipped, c.Class == 0 && c.Attempt == 1, quiet(c.Class), c.Class == hush.ErrNotFound:
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

// SlogCalls returns an Options.OnCall that logs each call with logger, with the
// fields and levels that Options.Logger has. A nil logger is slog.Default().
func SlogCalls(logger *slog.Logger) func(Call) {
	if logger == nil {
		logger = slog.Default()
	}
	return func(c Call) {
		ctx, level := context.Background(), c.Level()
		if logger.Enabled(ctx, level) {
			logger.LogAttrs(ctx, level, callMessage, c.attrs()...)
		}
	}
}

func (c Call) attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("provider", c.Provider),
		slog.String("secret", c.Ref.String()),
		slog.String("outcome", c.Outcome()),
		slog.Duration("latency", c.Latency),
		slog.String("version", c.Version),
		slog.Int("attempt", c.Attempt),
		slog.Bool("front", c.Front),
		slog.Bool("fallback", c.Fallback),
	}
	if c.Err != nil {
		attrs = append(attrs, slog.String("error", c.Err.Error()))
	}
	return attrs
}

func (c Call) fields() []zap.Field {
	fields := []zap.Field{
		zap.String("provider", c.Provider),
		zap.String("secret", c.Ref.String()),
		zap.String("outcome", c.Outcome()),
		zap.Duration("latency", c.Latency),
		zap.String("version", c.Version),
		zap.Int("attempt", c.Attempt),
		zap.Bool("front", c.Front),
		zap.Bool("fallback", c.Fallback),
	}
	if c.Err != nil {
		fields = append(fields, zap.String("error", c.Err.Error()))
	}
	return fields
}

// report hands out the facts of a call.
func (c *Chain) report(call Call) {
	if entry := c.log.Check(zapLevel(call.Level()), callMessage); entry != nil {
		entry.Write(call.fields()...)
	}
	if c.onCall != nil {
		c.onCall(call)
	}
}

// zapLevel converts one of the four named levels: slog's are four apart.
func zapLevel(level slog.Level) zapcore.Level { return zapcore.Level(level / 4) }

// reportFailure writes the closing line of a search in which all links failed.
func (s *search) reportFailure(err *hush.Error) {
	if entry := s.log.Check(failureLevel(err.Class, s.end), failureMessage); entry != nil {
		entry.Write(
			zap.String("provider", err.Provider),
			zap.String("secret", err.Ref.String()),
			zap.String("outcome", err.Class.Error()),
			zap.Duration("latency", s.spent),
			zap.Int("attempt", len(s.attempts)),
			zap.String("error", err.Error()),
		)
	}
}

func failureLevel(class hush.Class, end error) zapcore.Level {
	switch {
	case quiet(class), errors.Is(end, context.Canceled):
		return zapcore.DebugLevel
	case class == hush.ErrNotFound:
		return zapcore.InfoLevel
	}
	return zapcore.ErrorLevel
}
