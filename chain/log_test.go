package chain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/providertest"
)

// watch returns options that log to logs and append to calls.
func watch(level zapcore.Level) (o *chain.Options, logs *observer.ObservedLogs, calls *[]chain.Call) {
	core, logs := observer.New(level)
	calls = new([]chain.Call)
	return &chain.Options{
		Logger: zap.New(core),
		OnCall: func(_ context.Context, c chain.Call) { *calls = append(*calls, c) },
	}, logs, calls
}

// brief returns a log as lines of the form "level provider outcome".
func brief(logs *observer.ObservedLogs) (lines []string) {
	for _, e := range logs.All() {
		fields := e.ContextMap()
		lines = append(lines, fmt.Sprintf("%v %v %v", e.Level, fields["provider"], fields["outcome"]))
	}
	return lines
}

func TestLevels(t *testing.T) {
	for _, test := range []struct {
		name  string
		links []chain.Link
		want  []string
	}{
		{"first link has the secret", []chain.Link{returns("a", 0)}, []string{"debug a ok"}},
		{"a front has the secret", []chain.Link{front(returns("a", 0)), returns("b", 0)}, []string{"debug a ok"}},
		{
			"a later link has the secret",
			[]chain.Link{returns("a", hush.ErrNotFound), returns("b", 0)},
			[]string{"debug a not found", "info b ok"},
		},
		{
			"a front fails",
			[]chain.Link{front(returns("a", hush.ErrUnavailable)), returns("b", 0)},
			[]string{"info a unavailable", "info b ok"},
		},
		{
			"a throttled front",
			[]chain.Link{front(returns("a", hush.ErrThrottled)), front(returns("b", 0)), returns("c", 0)},
			[]string{"info a throttled", "debug b skipped", "info c ok"},
		},
		{
			"a throttled front of another store",
			[]chain.Link{front(returns("a", hush.ErrThrottled)), returns("b", hush.ErrNotFound), front(returns("c", 0)), returns("d", 0)},
			[]string{"info a throttled", "debug b not found", "info c ok"},
		},
		{
			"a front with no store",
			[]chain.Link{returns("a", hush.ErrAbsent), front(returns("b", hush.ErrRefused))},
			[]string{"debug a absent", "warn b refused", "error chain refused"},
		},
		{
			"a store fails",
			[]chain.Link{returns("a", hush.ErrUnsupported), returns("b", hush.ErrDenied), returns("c", 0)},
			[]string{"debug a unsupported", "warn b denied", "info c ok"},
		},
		{
			"all fail",
			[]chain.Link{front(returns("a", hush.ErrRefused)), returns("b", hush.ErrUnauthenticated), returns("c", hush.ErrNotFound)},
			[]string{"info a refused", "warn b unauthenticated", "debug c not found", "error chain unauthenticated"},
		},
		{
			"all say not found",
			[]chain.Link{front(returns("a", hush.ErrRefused)), returns("b", hush.ErrNotFound), returns("c", hush.ErrAbsent)},
			[]string{"info a refused", "debug b not found", "debug c absent", "info chain not found"},
		},
		{
			"none is here",
			[]chain.Link{returns("a", hush.ErrUnsupported), returns("b", hush.ErrAbsent)},
			[]string{"debug a unsupported", "debug b absent", "debug chain absent"},
		},
		{"none can", []chain.Link{returns("a", hush.ErrUnsupported)}, []string{"debug a unsupported", "debug chain unsupported"}},
		{
			"malformed for a link",
			[]chain.Link{returns("a", hush.ErrInvalidRef), returns("b", 0)},
			[]string{"warn a invalid reference", "error chain invalid reference"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			_, _ = chain.New(test.links, &chain.Options{Logger: zap.New(core)}).Get(t.Context(), hush.Name("db"))
			assert.Equal(t, test.want, brief(logs))
		})
	}
}

func TestLevelsWhenCallersContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, logs, _ := watch(zap.DebugLevel)
		c := chain.New([]chain.Link{front(returns("a", hush.ErrAbsent)), hangs("b")}, o)

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := c.Get(ctx, hush.Name("db"))
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, []string{"debug a absent", "debug b canceled", "debug chain canceled"}, brief(logs))

		logs.TakeAll()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Get(ctx, hush.Name("db"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, []string{"debug a absent", "warn b canceled", "error chain canceled"}, brief(logs))
	})
}

// If the caller canceled, the end of the lookup is not logged as an error.
func TestLevelOfOutageWhenCallerCancels(t *testing.T) {
	o, logs, _ := watch(zap.DebugLevel)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := chain.New([]chain.Link{cuts(cancel, hush.ErrThrottled, nil)}, o).Get(ctx, hush.Name("db"))
	require.Equal(t, hush.ErrThrottled, hush.ClassOf(err))
	assert.Equal(t, []string{"warn cut throttled", "debug chain throttled"}, brief(logs))
}

func TestLogFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put("db", []byte(`{"user":"app"}`))
		m.Always(providertest.Step{Delay: 30 * time.Millisecond})
		down := hangs("direct")
		down.Timeout = time.Second
		o, logs, calls := watch(zap.DebugLevel)
		c := chain.New([]chain.Link{down, {Name: "vault", Provider: &m}}, o)
		_, err := c.Get(t.Context(), hush.Ref{Name: "db", Stage: "AWSCURRENT", Field: "user"}.Fresh())
		require.NoError(t, err)

		require.Equal(t, 2, logs.Len())
		entries := logs.All()
		assert.Equal(t, "secret call", entries[0].Message)
		assert.Equal(t, "secret call", entries[1].Message)
		assert.Equal(t, map[string]any{
			"provider": "direct", "secret": "db?stage=AWSCURRENT", "outcome": "unavailable", "latency": time.Second,
			"version": "", "attempt": int64(1), "front": false, "fallback": false,
			"error": `direct: "db?stage=AWSCURRENT": unavailable: direct took longer than its limit of 1s`,
		}, entries[0].ContextMap())
		assert.Equal(t, map[string]any{
			"provider": "vault", "secret": "db?stage=AWSCURRENT", "outcome": "ok", "latency": 30 * time.Millisecond,
			"version": "v1", "attempt": int64(2), "front": false, "fallback": true,
		}, entries[1].ContextMap())

		asked := hush.Ref{Name: "db", Stage: "AWSCURRENT"}
		require.Len(t, *calls, 2)
		failed := (*calls)[0]
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(failed.Err))
		failed.Err = nil
		assert.Equal(t, chain.Call{
			Provider: "direct", Link: 1, Ref: asked, Latency: time.Second, Attempt: 1, Failures: 1,
		}, failed)
		assert.Equal(t, chain.Call{
			Provider: "vault", Link: 2, Ref: asked, Latency: 30 * time.Millisecond, Version: "v1", Attempt: 2, Fallback: true,
		}, (*calls)[1])
	})
}

func TestUnresolvedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, logs, _ := watch(zap.ErrorLevel)
		c := chain.New([]chain.Link{limited(hangs("a"), time.Second), limited(hangs("b"), time.Second)}, o)
		_, err := c.Get(t.Context(), hush.Ref{Name: "db", Field: "user"})
		require.Error(t, err)
		require.Equal(t, 1, logs.Len())
		entry := logs.All()[0]
		assert.Equal(t, "secret not resolved", entry.Message)
		assert.Equal(t, map[string]any{
			"provider": "chain", "secret": "db#user", "outcome": "unavailable", "latency": 2 * time.Second,
			"attempt": int64(2), "error": err.Error(),
		}, entry.ContextMap())
	})
}

func TestOnCallReceivesCallsOfAllLevels(t *testing.T) {
	o, logs, calls := watch(zap.FatalLevel)
	links := []chain.Link{front(returns("a", hush.ErrThrottled)), front(returns("b", 0)), returns("c", hush.ErrNotFound)}
	_, err := chain.New(links, o).Get(t.Context(), hush.Name("db"))
	require.Error(t, err)
	assert.Zero(t, logs.Len())
	require.Len(t, *calls, 4)
	unresolved := (*calls)[3]
	assert.Equal(t, err, unresolved.Err)
	unresolved.Err, unresolved.Latency = nil, 0
	assert.Equal(t, chain.Call{
		Provider: "chain", Ref: hush.Name("db"), Attempt: 2, Unresolved: true,
	}, unresolved)
	skipped := (*calls)[1]
	assert.True(t, skipped.Skipped)
	assert.True(t, skipped.Front)
	assert.Equal(t, hush.ErrThrottled, hush.ClassOf(skipped.Err))
	assert.EqualError(t, skipped.Err, `b: "db": throttled: skipped: another front of its store was throttled`)
	assert.Zero(t, skipped.Attempt)
	assert.Equal(t, 2, (*calls)[2].Attempt)
}

// Both loggers write the same lines: calls, skipped links, breakers that open and close,
// and the end of a lookup without the secret.
func TestSlogCallsWritesSameLinesAsZap(t *testing.T) {
	var out bytes.Buffer
	core, logs := observer.New(zap.DebugLevel)
	handler := slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})
	b := &flakyChain{T: t}
	o := chain.Options{Logger: zap.New(core), OnCall: chain.SlogCalls(slog.New(handler))}
	b.clock(&o)
	result := down
	c := chain.New([]chain.Link{
		front(returns("a", hush.ErrThrottled)), front(returns("b", 0)), returns("c", hush.ErrAbsent),
		linkFunc("d", func(context.Context, hush.Ref) (hush.Secret, error) {
			if result != 0 {
				return hush.Secret{}, result
			}
			return hush.Secret{Version: "v7"}, nil
		}),
	}, &o)
	for range 6 {
		_, _ = c.Get(t.Context(), hush.Ref{Name: "db", Field: "user"})
	}
	result = 0
	_, err := c.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)

	for _, message := range []string{"secret call", "secret not resolved", "breaker opened", "breaker closed"} {
		assert.NotZero(t, logs.FilterMessage(message).Len(), message)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	require.Len(t, lines, logs.Len())
	for i, entry := range logs.All() {
		var got map[string]any
		require.NoError(t, json.Unmarshal(lines[i], &got))
		assert.Equal(t, entry.Level.CapitalString(), got["level"])
		assert.Equal(t, entry.Message, got["msg"])
		delete(got, "level")
		delete(got, "msg")
		delete(got, "time")
		want := entry.ContextMap()
		for key, value := range want {
			switch v := value.(type) {
			case time.Duration: // as the configured zap logger writes it
				want[key] = v.String()
			case int64:
				want[key] = float64(v)
			}
		}
		assert.Equal(t, want, got)
	}
}

func TestSlogCallsWithNilLogger(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	chain.SlogCalls(nil)(t.Context(), chain.Call{Provider: "a", Err: hush.ErrDenied, Attempt: 1})
	chain.SlogCalls(nil)(t.Context(), chain.Call{Provider: "quiet", Attempt: 1})
	assert.Contains(t, out.String(), "provider=a ")
	assert.NotContains(t, out.String(), "quiet", "below the handler's level")
}

func TestLoggerAtInfoGetsAllOtherLines(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	links := []chain.Link{returns("a", hush.ErrNotFound), returns("b", hush.ErrUnavailable), returns("c", 0)}
	_, err := chain.New(links, &chain.Options{Logger: zap.New(core)}).Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, []string{"warn b unavailable", "info c ok"}, brief(logs))
}
