package chain

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// SlogCalls returns an Options.OnCall that writes the lines of Options.Logger to logger,
// with the same messages, levels and fields, and with the context of the Get. Durations
// are texts, such as 1.5s, in any format. A nil logger means slog.Default().
func SlogCalls(logger *slog.Logger) func(context.Context, Call) {
	if logger == nil {
		logger = slog.Default()
	}
	return func(ctx context.Context, c Call) { c.log(slogWriter{ctx, logger}) }
}

// A lineWriter writes log lines.
type lineWriter interface {
	enabled(level slog.Level) bool
	write(level slog.Level, message string, attrs []slog.Attr)
}

// log writes the lines that describe c: one about the call, and one about the breaker if
// the call opened or closed it. All loggers get their lines from here.
func (c Call) log(w lineWriter) {
	if level := c.Level(); w.enabled(level) {
		message := "secret call"
		if c.Unresolved {
			message = "secret not resolved"
		}
		w.write(level, message, c.attrs())
	}
	if c.Breaker != "" && w.enabled(slog.LevelWarn) {
		w.write(slog.LevelWarn, "breaker "+c.Breaker, c.breakerAttrs())
	}
}

func (c Call) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("provider", printable(c.Provider)),
		slog.String("secret", printable(c.Ref.String())),
		slog.String("outcome", c.Outcome()),
		slog.Duration("latency", c.Latency))
	if !c.Unresolved {
		attrs = append(attrs, slog.String("version", printable(c.Version)))
	}
	attrs = append(attrs, slog.Int("attempt", c.Attempt))
	if !c.Unresolved {
		attrs = append(attrs, slog.Bool("front", c.Front), slog.Bool("fallback", c.Fallback))
	}
	if c.Err != nil {
		attrs = append(attrs, slog.String("error", printable(c.Err.Error())))
	}
	return attrs
}

func (c Call) breakerAttrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("provider", printable(c.Provider)), slog.Int("failures", c.Failures)}
	if c.Breaker == opened {
		attrs = append(attrs, slog.Duration("wait", c.Wait))
	}
	return attrs
}

// maxText bounds a text in a log line, in bytes, as a part of a Ref is bounded. A
// chain's error may be longer than one part.
const maxText = 2048

// printable returns s for a log line: bounded, and with escapes as in %q for characters
// that do not print, such as those that change the direction of the text.
func printable(s string) string {
	size := len(s)
	if size > maxText {
		end := maxText
		for end > maxText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	if strings.ContainsFunc(s, isHidden) {
		s = escape(s)
	}
	if size > maxText {
		return fmt.Sprintf("%s… (%d bytes)", s, size)
	}
	return s
}

func isHidden(r rune) bool { return !unicode.IsPrint(r) }

func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if isHidden(r) {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

type slogWriter struct {
	ctx    context.Context //nolint:containedctx // a writer serves one call
	logger *slog.Logger
}

func (w slogWriter) enabled(level slog.Level) bool { return w.logger.Enabled(w.ctx, level) }

func (w slogWriter) write(level slog.Level, message string, attrs []slog.Attr) {
	for i, a := range attrs {
		if a.Value.Kind() == slog.KindDuration { // which JSON would show as nanoseconds
			attrs[i].Value = slog.StringValue(a.Value.Duration().String())
		}
	}
	w.logger.LogAttrs(w.ctx, level, message, attrs...) //nolint:sloglint // Call.log has the messages
}

type zapWriter struct{ logger *zap.Logger }

func (w zapWriter) enabled(level slog.Level) bool { return w.logger.Core().Enabled(zapLevel(level)) }

func (w zapWriter) write(level slog.Level, message string, attrs []slog.Attr) {
	entry := w.logger.Check(zapLevel(level), message)
	if entry == nil {
		return
	}
	fields := make([]zap.Field, len(attrs))
	for i, a := range attrs {
		fields[i] = zapField(a)
	}
	entry.Write(fields...)
}

func zapField(a slog.Attr) zap.Field {
	switch a.Value.Kind() {
	case slog.KindString:
		return zap.String(a.Key, a.Value.String())
	case slog.KindInt64:
		return zap.Int64(a.Key, a.Value.Int64())
	case slog.KindBool:
		return zap.Bool(a.Key, a.Value.Bool())
	case slog.KindDuration:
		return zap.Duration(a.Key, a.Value.Duration())
	}
	return zap.Any(a.Key, a.Value.Any())
}

// zapLevel converts one of the four named levels: those of slog are four apart.
func zapLevel(level slog.Level) zapcore.Level { return zapcore.Level(level / 4) }
