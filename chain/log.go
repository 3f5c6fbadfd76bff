package chain

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// SlogCalls returns an Options.OnCall that writes the lines of Options.Logger to logger,
// with the same messages, levels and fields, and with the context of the Get. Durations
// are text in every format, such as 1.5s. A nil logger means slog.Default().
func SlogCalls(logger *slog.Logger) func(context.Context, Call) {
	if logger == nil {
		logger = slog.Default()
	}
	return func(ctx context.Context, c Call) { c.log(slogWriter{ctx, logger}) }
}

// A lineWriter writes log lines.
type lineWriter interface {
	enabled(level slog.Level) bool
	write(level slog.Level, message string, fields []zap.Field)
}

// log writes the line of c, and a line about the breaker if the call opened or closed it.
// It is the source of the lines for all loggers.
func (c Call) log(w lineWriter) {
	if level := c.level(); w.enabled(level) {
		message := "secret call"
		if c.Unresolved {
			message = "secret not resolved"
		}
		w.write(level, message, c.fields())
	}
	if c.Breaker != "" && w.enabled(slog.LevelWarn) {
		w.write(slog.LevelWarn, "breaker "+c.Breaker, c.breakerFields())
	}
}

func (c Call) fields() []zap.Field {
	fields := make([]zap.Field, 0, 9)
	fields = append(fields,
		zap.String("provider", printable(c.Provider)),
		zap.String("secret", printable(c.Ref.String())),
		zap.String("outcome", c.Outcome()),
		zap.Duration("latency", c.Latency))
	if c.Unresolved {
		fields = append(fields, zap.Int("attempt", c.Attempt))
	} else {
		fields = append(fields, zap.String("version", printable(c.Version)), zap.Int("attempt", c.Attempt),
			zap.Bool("front", c.Front), zap.Bool("fallback", c.Fallback))
	}
	if c.Err != nil {
		fields = append(fields, zap.String("error", printable(c.Err.Error())))
	}
	return fields
}

func (c Call) breakerFields() []zap.Field {
	fields := []zap.Field{zap.String("provider", printable(c.Provider)), zap.Int("failures", c.Failures)}
	if c.Breaker == opened {
		fields = append(fields, zap.Duration("wait", c.Wait))
	}
	return fields
}

// maxText is the limit for a text in a log line, in bytes. It is also that of a part of a
// Ref. The error of a chain can be longer.
const maxText = 2048

// printable returns s for a log line. It truncates a long s and escapes characters that
// are not printable, such as those that change the direction of the text, as %q does.
func printable(s string) string {
	size := len(s)
	if size > maxText {
		s = strings.ToValidUTF8(s[:maxText], "\uFFFD")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		s = strconv.Quote(s)
		s = s[1 : len(s)-1]
	}
	if size > maxText {
		return fmt.Sprintf("%s… (%d bytes)", s, size)
	}
	return s
}

type slogWriter struct {
	ctx    context.Context //nolint:containedctx // a writer serves one call
	logger *slog.Logger
}

func (w slogWriter) enabled(level slog.Level) bool { return w.logger.Enabled(w.ctx, level) }

func (w slogWriter) write(level slog.Level, message string, fields []zap.Field) {
	attrs := make([]slog.Attr, len(fields))
	for i, f := range fields {
		attrs[i] = slogAttr(f)
	}
	w.logger.LogAttrs(w.ctx, level, message, attrs...) //nolint:sloglint // Call.log has the messages
}

// slogAttr converts a field of one of the types that lines have.
func slogAttr(f zap.Field) slog.Attr {
	switch f.Type { //nolint:exhaustive // zap has many more
	case zapcore.StringType:
		return slog.String(f.Key, f.String)
	case zapcore.BoolType:
		return slog.Bool(f.Key, f.Integer == 1)
	case zapcore.DurationType: // which JSON would show as nanoseconds
		return slog.String(f.Key, time.Duration(f.Integer).String())
	default:
		return slog.Int64(f.Key, f.Integer)
	}
}

type zapWriter struct{ logger *zap.Logger }

func (w zapWriter) enabled(level slog.Level) bool { return w.logger.Core().Enabled(zapLevel(level)) }

func (w zapWriter) write(level slog.Level, message string, fields []zap.Field) {
	w.logger.Log(zapLevel(level), message, fields...)
}

// zapLevel converts one of the four named levels: those of slog are four apart.
func zapLevel(level slog.Level) zapcore.Level { return zapcore.Level(level / 4) }
