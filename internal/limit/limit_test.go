package limit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
)

func TestContextOfCallerThatEndsSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for name, d := range map[string]time.Duration{
			"longer": 2 * time.Second, "equal": time.Second, "none": 0, "negative": -1,
		} {
			ctx, cancel := limit.Context(caller, d, "env")
			assert.Equal(t, caller, ctx, name)
			cancel()
			assert.NoError(t, caller.Err(), "%s: its cancel is not the caller's", name)
		}
		for _, d := range []time.Duration{0, -1} {
			ctx, cancel := limit.Context(t.Context(), d, "env")
			assert.Equal(t, t.Context(), ctx, "no limit for a caller without one")
			cancel()
		}
	})
}

func TestContextEndsAtTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, timeout := range []time.Duration{0, 2 * time.Second} {
			caller, stop := t.Context(), func() {}
			if timeout > 0 {
				caller, stop = context.WithTimeout(caller, timeout)
			}
			ctx, cancel := limit.Context(caller, time.Second, "extension")
			start := time.Now()
			<-ctx.Done()
			assert.Equal(t, time.Second, time.Since(start))
			assert.NoError(t, caller.Err())
			assert.EqualError(t, context.Cause(ctx), "extension took longer than its limit of 1s")
			assert.NotErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
			cancel()
			stop()
		}
	})
}

func TestErrorText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for d, text := range map[time.Duration]string{2989407668: "2.989s", 1500 * time.Microsecond: "2ms", 700: "700ns"} {
			ctx, cancel := limit.Context(t.Context(), d, "vault")
			<-ctx.Done()
			assert.EqualError(t, context.Cause(ctx), "vault took longer than its limit of "+text)
			cancel()
		}
	})
}

func TestContextEndsWithTheCaller(t *testing.T) {
	caller, stop := context.WithCancel(t.Context())
	ctx, cancel := limit.Context(caller, time.Hour, "extension")
	defer cancel()
	stop()
	<-ctx.Done()
	assert.ErrorIs(t, ctx.Err(), context.Canceled)
}

func TestCut(t *testing.T) {
	live := t.Context()
	canceled, cancel := context.WithCancel(live)
	cancel()
	late, cancel := context.WithDeadline(live, time.Now().Add(-time.Second))
	defer cancel()
	limited, cancel := limit.Context(live, time.Nanosecond, "vault")
	defer cancel()
	<-limited.Done()
	const ours = "vault took longer than its limit of 1ns"

	for name, c := range map[string]struct {
		caller, limited context.Context
		last            hush.Class
		class           hush.Class
		cause           string
		is              error // what the cause wraps
	}{
		"caller canceled":                   {canceled, live, 0, hush.ErrCanceled, "context canceled", context.Canceled},
		"caller's deadline":                 {late, late, 0, hush.ErrCanceled, "context deadline exceeded", context.DeadlineExceeded},
		"caller canceled after an answer":   {canceled, canceled, hush.ErrThrottled, hush.ErrThrottled, "context canceled", context.Canceled},
		"caller's deadline after an answer": {late, live, hush.ErrDenied, hush.ErrDenied, "context deadline exceeded", context.DeadlineExceeded},
		"our limit":                         {live, limited, 0, hush.ErrUnavailable, ours, nil},
		"our limit after an answer":         {live, limited, hush.ErrThrottled, hush.ErrThrottled, ours, nil},
		"both, the caller's counts":         {canceled, limited, 0, hush.ErrCanceled, "context canceled", context.Canceled},
		"both after an answer":              {late, limited, hush.ErrRefused, hush.ErrRefused, "context deadline exceeded", context.DeadlineExceeded},
	} {
		class, cause, ok := limit.Cut(c.caller, c.limited, c.last)
		require.True(t, ok, name)
		assert.Equal(t, c.class, class, name)
		require.EqualError(t, cause, c.cause, name)
		for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
			assert.Equal(t, errors.Is(end, c.is), errors.Is(cause, end), "%s: the cause is %v", name, end)
		}
	}

	class, cause, ok := limit.Cut(live, live, hush.ErrThrottled)
	assert.False(t, ok, "neither is done")
	assert.Zero(t, class)
	assert.NoError(t, cause)
}

// TestCutInAnError distinguishes the caller's deadline from the timeout.
func TestCutInAnError(t *testing.T) {
	limited, cancel := limit.Context(t.Context(), time.Nanosecond, "vault")
	defer cancel()
	<-limited.Done()
	class, cause, _ := limit.Cut(t.Context(), limited, 0)
	err := hush.NewError("vault", hush.Name("db"), class, cause)
	assert.EqualError(t, err, `vault: "db": unavailable: vault took longer than its limit of 1ns`)
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, hush.ErrCanceled)
}
