package chain

import (
	"time"

	"github.com/hush-secrets/hush/internal/clock"
)

// SetClock replaces the clocks of the breakers.
func (o *Options) SetClock(now clock.Func) { o.now = now }

// SetJitter replaces the jitter of the breakers.
func (o *Options) SetJitter(jitter func(most time.Duration) time.Duration) { o.jitter = jitter }

// IsHealthy reports whether a call of the first link takes no lock.
func (c *Chain) IsHealthy() bool { return c.links[0].breaker.state.Load()%2 == 0 }
