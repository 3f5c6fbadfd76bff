package clock_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/clock"
)

const second = int64(time.Second)

func TestNewReadsBothClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := time.Now()
		now := clock.New()
		start := now()
		assert.Equal(t, before.UnixNano(), start.Wall)
		assert.Zero(t, start.Mono, "it counts from the Func's making")
		assert.True(t, start.Time().Equal(before))

		<-time.After(3 * time.Second)
		later := now()
		assert.Equal(t, 3*second, later.Wall-start.Wall)
		assert.Equal(t, 3*second, later.Mono)
		assert.Equal(t, 3*time.Second, later.Since(start))
		assert.Zero(t, clock.New()().Mono, "each Func has its own base")
	})
}

func TestNewOutsideABubble(t *testing.T) {
	now := clock.New()
	first, second := now(), now()
	assert.GreaterOrEqual(t, second.Mono, first.Mono)
	assert.GreaterOrEqual(t, first.Mono, int64(0))
	assert.InDelta(t, time.Now().UnixNano(), second.Wall, float64(time.Hour))
}

// TestEitherClockEndsALimit moves both clocks, and each alone.
func TestEitherClockEndsALimit(t *testing.T) {
	start := clock.Instant{Wall: 1_000 * second, Mono: 5 * second}
	deadline := start.Add(10 * time.Second)
	for name, c := range map[string]struct {
		wall, mono int64 // seconds since start
		reached    bool
		since      time.Duration
		until      time.Duration
	}{
		"at once":            {0, 0, false, 0, 10 * time.Second},
		"within":             {9, 9, false, 9 * time.Second, time.Second},
		"exactly":            {10, 10, true, 10 * time.Second, 0},
		"past":               {11, 11, true, 11 * time.Second, -time.Second},
		"frozen":             {3600, 1, true, time.Hour, 10*time.Second - time.Hour},
		"frozen for a while": {9, 1, false, 9 * time.Second, time.Second},
		"wall set back":      {-3600, 10, true, 10 * time.Second, 0},
		"set back, not over": {-3600, 9, false, 9 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			now := clock.Instant{Wall: start.Wall + c.wall*second, Mono: start.Mono + c.mono*second}
			assert.Equal(t, c.reached, now.Reached(deadline))
			assert.Equal(t, c.since, now.Since(start))
			assert.Equal(t, c.until, now.Until(deadline))
		})
	}
}

func TestAddSaturates(t *testing.T) {
	now := clock.Instant{Wall: time.Now().UnixNano(), Mono: second}
	for _, forever := range []time.Duration{math.MaxInt64, math.MaxInt64 - time.Duration(now.Wall) + 1} {
		end := now.Add(forever)
		assert.Equal(t, int64(math.MaxInt64), end.Wall)
		assert.Greater(t, end.Mono, now.Mono)
		assert.False(t, now.Reached(end), "an infinite limit never ends")
		assert.Positive(t, now.Until(end))
	}
	past := clock.Instant{Wall: -1, Mono: -1}.Add(math.MinInt64)
	assert.Equal(t, clock.Instant{Wall: math.MinInt64, Mono: math.MinInt64}, past)
	assert.Equal(t, now, now.Add(0))
	assert.Equal(t, clock.Instant{Wall: now.Wall - second}, now.Add(-time.Second))
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, clock.Sleep(t.Context(), time.Hour))
		assert.Equal(t, time.Hour, time.Since(start))
		require.NoError(t, clock.Sleep(t.Context(), 0))
		require.NoError(t, clock.Sleep(t.Context(), -1))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, clock.Sleep(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Hour+time.Second, time.Since(start))
	})
}
