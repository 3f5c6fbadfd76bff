package chain

import (
	"time"

	"github.com/hush-secrets/hush/internal/clock"
)

// SetClock replaces the clocks that the breakers of a Chain made with o read.
func (o *Options) SetClock(now clock.Func) { o.now = now }

// SetJitter replaces what shortens the waits of the breakers.
func (o *Options) SetJitter(jitter func(most time.Duration) time.Duration) { o.jitter = jitter }

// Calm reports whether a call of the chain's first link now takes no lock.
func (c *Chain) Calm() bool { return c.links[0].breaker.state.Load()%2 == 0 }
