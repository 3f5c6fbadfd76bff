package chain

import (
	"context"
	"errors"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
)

// The messages of all lines, which differ by their fields.
const (
	callMessage    = "secret call"
	openedMessage  = "breaker opened"
	closedMessage  = "breaker closed"
	failureMessage = "secret not resolved"
)

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
		slogChange(ctx, logger, c)
	}
}

func slogChange(ctx context.Context, logger *slog.Logger, c Call) {
	provider, failures := slog.String("provider", c.Provider), slog.Int("failures", c.Failures)
	switch c.Breaker {
	case opened:
		logger.LogAttrs(ctx, slog.LevelWarn, openedMessage, provider, failures, slog.Duration("wait", c.Wait))
	case closed:
		logger.LogAttrs(ctx, slog.LevelWarn, closedMessage, provider, failures)
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
	c.reportChange(call)
	if c.onCall != nil {
		c.onCall(call)
	}
}

func (c *Chain) reportChange(call Call) {
	provider, failures := zap.String("provider", call.Provider), zap.Int("failures", call.Failures)
	switch call.Breaker {
	case opened:
		c.log.Warn(openedMessage, provider, failures, zap.Duration("wait", call.Wait))
	case closed:
		c.log.Warn(closedMessage, provider, failures)
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
			zap.Int("attempt", s.calls),
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
