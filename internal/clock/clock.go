// Package clock reads two clocks at once. In Lambda the monotonic clock may stand
// still while the environment is frozen, and anywhere the wall clock can be set
// back, so a time limit that must hold is over when either clock says so.
package clock

import (
	"math"
	"time"
)

// An Instant is a reading of both clocks, in nanoseconds: Wall since 1970, Mono
// since the Func was made.
type Instant struct{ Wall, Mono int64 }

// A Func reads the clocks.
type Func func() Instant

// New returns a Func over the system's clocks. The monotonic base is taken here
// and not in a package variable, which would be wrong in a synctest bubble.
func New() Func {
	base := time.Now()
	return func() Instant {
		now := time.Now()
		return Instant{Wall: now.UnixNano(), Mono: int64(now.Sub(base))}
	}
}

// Add returns i moved by d on both clocks, stopping at the ends of time.
func (i Instant) Add(d time.Duration) Instant {
	return Instant{Wall: add(i.Wall, int64(d)), Mono: add(i.Mono, int64(d))}
}

// Reached reports whether either clock of i is at or past that of deadline.
func (i Instant) Reached(deadline Instant) bool {
	return i.Wall >= deadline.Wall || i.Mono >= deadline.Mono
}

// Since returns the time from start to i by the clock on which more has passed.
func (i Instant) Since(start Instant) time.Duration {
	return time.Duration(max(i.Wall-start.Wall, i.Mono-start.Mono))
}

// Until returns the time from i to deadline by the clock on which less is left.
func (i Instant) Until(deadline Instant) time.Duration {
	return time.Duration(min(deadline.Wall-i.Wall, deadline.Mono-i.Mono))
}

// Time returns the wall clock's reading.
func (i Instant) Time() time.Time { return time.Unix(0, i.Wall) }

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
