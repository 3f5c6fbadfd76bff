// Package clock reads the wall clock and the monotonic clock together. In Lambda, the
// monotonic clock may stand still while the environment is frozen. The wall clock can be
// set back. A time limit that must hold therefore ends when either clock reaches it.
package clock

import (
	"context"
	"math"
	"time"
)

// An Instant is the time on both clocks, in nanoseconds: Wall since 1970, and Mono since
// New was called.
type Instant struct{ Wall, Mono int64 }

// A Func reads the clocks.
type Func func() Instant

// New returns a Func that reads the clocks of the system. The start of the monotonic clock
// is not a package variable, because a synctest bubble has its own clock.
func New() Func {
	base := time.Now()
	return func() Instant {
		now := time.Now()
		return Instant{Wall: now.UnixNano(), Mono: int64(now.Sub(base))}
	}
}

// Add returns i plus d on both clocks. It saturates instead of overflowing.
func (i Instant) Add(d time.Duration) Instant {
	return Instant{Wall: add(i.Wall, int64(d)), Mono: add(i.Mono, int64(d))}
}

// Reached reports whether i is at or after deadline on either clock.
func (i Instant) Reached(deadline Instant) bool {
	return i.Wall >= deadline.Wall || i.Mono >= deadline.Mono
}

// Since returns the time from start to i on the clock on which more time has passed.
func (i Instant) Since(start Instant) time.Duration {
	return time.Duration(max(i.Wall-start.Wall, i.Mono-start.Mono))
}

// Until returns the time from i to deadline on the clock on which less time is left.
func (i Instant) Until(deadline Instant) time.Duration {
	return time.Duration(min(deadline.Wall-i.Wall, deadline.Mono-i.Mono))
}

// Time returns the time of the wall clock.
func (i Instant) Time() time.Time { return time.Unix(0, i.Wall) }

// Sleep waits for d. It returns the error of ctx if ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func add(a, b int64) int64 {
	switch sum := a + b; {
	case b > 0 && sum < a:
		return math.MaxInt64
	case b < 0 && sum > a:
		return math.MinInt64
	default:
		return sum
	}
}
