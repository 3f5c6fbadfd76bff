// Package clocktest provides clocks that a test sets.
package clocktest

import (
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/clock"
)

// A Clock is a wall clock and a monotonic clock that stand still unless a test moves
// them. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now clock.Instant
}

// New returns a Clock whose wall clock is at the start of 2026.
func New() *Clock {
	return &Clock{now: clock.Instant{Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), Mono: 1}}
}

// Now reads both clocks. It is a [clock.Func].
func (c *Clock) Now() clock.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Time reads the wall clock.
func (c *Clock) Time() time.Time { return c.Now().Time() }

// Advance moves both clocks by d.
func (c *Clock) Advance(d time.Duration) { c.Move(d, d) }

// Move moves each clock by its own duration, which may be negative. Only the wall clock
// runs while a process is frozen, and only the wall clock can be set back.
func (c *Clock) Move(wall, mono time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Wall += int64(wall)
	c.now.Mono += int64(mono)
}
