package cachettl

import (
	"context"

	"github.com/hush-secrets/hush/internal/clock"
)

// SetClock replaces the clocks that a Cache made with o reads.
func (o *Options) SetClock(now clock.Func) { o.now = now }

// Size returns the number of entries and of forgotten keys.
func (c *Cache) Size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table.ring.Len() + len(c.table.forgotten)
}

// NewSemaphore and Acquire are for tests of a semaphore alone.
var NewSemaphore = newSemaphore

func (s semaphore) Acquire(ctx context.Context) (release func(), err error) { return s.acquire(ctx) }
