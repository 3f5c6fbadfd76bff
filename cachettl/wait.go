package cachettl

import (
	"context"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A Get that has a stale secret waits for a fetch before it returns this secret:
// for StaleWait or, in a process that stands still between requests, in full.
//
// A full wait lasts until FetchTimeout after the start of the fetch, or for half of
// the Get's time. It is for the first Get to wait for a fetch while fetches do not
// end in the background, and for the first Get after each stop; see interrupt.go.
// All other Gets keep StaleWait, so that a busy server does not slow down.
//
// If the store hangs, long waits must not delay every request. After a long wait
// without a response, Gets for the same secret wait for at most 100 ms during the
// next 30 s, and Gets for other secrets during the next 10 s, until the store
// responds. Because of the 10 s, a program that reads several secrets loses one full
// wait and not one for each secret. After the 10 s, a secret whose store responds is
// waited for again.
const (
	minLongWait     = time.Second
	waitLimitTime   = 30 * time.Second
	waitLimitForAll = 10 * time.Second
)

// A waitLimit forbids long waits until end, because a Get that waited for up to
// maxWait had no response.
type waitLimit struct {
	maxWait time.Duration
	end     clock.Instant
}

// forbids reports whether a Get must not wait for wait. A Get that would wait more
// than twice as long as the Get before it may, because a Get with a short deadline
// must not decide for all.
func (l waitLimit) forbids(wait time.Duration, now clock.Instant) bool {
	return wait/2 < l.maxWait && !now.Reached(l.end)
}

// limitWaits records that a Get waited for e for up to maxWait and had no response.
func (c *Cache) limitWaits(e *entry, maxWait time.Duration, now clock.Instant) {
	e.waitLimit = waitLimit{maxWait, now.Add(waitLimitTime)}
	c.waitLimit = waitLimit{maxWait, now.Add(waitLimitForAll)}
}

// waitOrStale adds to s, which waits for a fetch, that the Get returns cached at the
// end of its wait. If there is no time left to wait, the step returns cached at
// once. staleWait is the time that any Get waits.
func (c *Cache) waitOrStale(req *request, s step, cached *record, staleWait time.Duration, now clock.Instant) step {
	f, e := s.fetch, s.fetch.entry
	wait, full := staleWait, c.mayWaitInFull(f)
	if full {
		wait = c.opts.FetchTimeout
	}
	if full || wait >= minLongWait {
		s.longWait = min(wait, req.half)
		if e.waitLimit.forbids(s.longWait, now) || c.waitLimit.forbids(s.longWait, now) {
			s.longWait, full = 0, false
			wait = min(staleWait, defaultStaleWait)
		}
	}
	wait = min(wait-f.age(now), time.Until(req.halfEnd)) // the second half belongs to the caller
	if wait <= 0 {
		return step{record: c.serveStale(e, cached)}
	}
	if full {
		f.fullWaitAt = c.watchdog.stops + 1
	}
	s.stale, s.staleAt, s.stops = cached, time.Now().Add(wait), c.watchdog.stops
	return s
}

// mayWaitInFull reports whether the next Get that waits for f waits in full.
func (c *Cache) mayWaitInFull(f *fetch) bool {
	stalls := c.watchdog.backgroundStalls || f.followsInterrupted || c.isInterrupted(f)
	return stalls && f.fullWaitAt != c.watchdog.stops+1
}

// await waits as s says. A nil record without an error means: look again.
func (c *Cache) await(ctx context.Context, req *request, s step) (*record, error) {
	var staleNow <-chan time.Time
	if s.stale != nil {
		timer := time.NewTimer(time.Until(s.staleAt))
		defer timer.Stop()
		staleNow = timer.C
	}
	select {
	case <-s.fetch.done:
	case <-ctx.Done():
		c.mu.Lock()
		defer c.unlock()
		c.leave(s.fetch)
		return nil, hush.NewError(source, req.ref, hush.ErrCanceled, ctx.Err())
	case <-staleNow:
		if stale, left := c.stopWaiting(s); left {
			return stale, nil
		}
		s.stale = nil
		return c.await(ctx, req, s)
	}
	if s.lookAgain {
		return nil, nil
	}
	return s.fetch.result(req), nil
}

// stopWaiting lets a Get leave at the end of its wait. The Get returns the stale
// secret or, if the process stood still meanwhile, looks again. It stays and waits
// for the fetch if the stale secret was forgotten or is past its limit, or if the
// fetch has just ended.
func (c *Cache) stopWaiting(s step) (stale *record, left bool) {
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	f, e := s.fetch, s.fetch.entry
	c.heartbeat(now)
	c.reap(e.ref, now)
	switch {
	case f.ended, e.record.Load() != s.stale, !e.mayServeStale(s.stale, now):
		return nil, false
	case s.stops == c.watchdog.stops:
		if s.longWait > 0 {
			c.limitWaits(e, s.longWait, now)
		}
		stale = c.serveStale(e, s.stale)
	}
	c.leave(f)
	return stale, true
}

// serveStale returns r, which e holds, marked Stale.
func (c *Cache) serveStale(e *entry, r *record) *record {
	if e.fetch != nil {
		e.fetch.leftBehind = true
	}
	return c.markStale(e, r)
}

// markStale returns r marked Stale, and calls OnStale the first time.
func (c *Cache) markStale(e *entry, r *record) *record {
	if !r.markedStale {
		r = r.asStale()
	}
	if callback := c.opts.OnStale; callback != nil && !e.staleServed {
		why := e.failure
		c.callbacks = append(c.callbacks, func() { callback(e.ref, r.secret, why) })
	}
	e.staleServed = true
	return r
}

// endWait counts a Get that waited for f and returns r, or an error if r is nil. If r
// is a stale secret that f left for its Gets, endWait calls OnStale the first time.
func (c *Cache) endWait(f *fetch, r *record) {
	c.count(r, true)
	if r == nil || !r.markedStale {
		return
	}
	c.mu.Lock()
	defer c.unlock()
	if r != f.plainResult {
		return // stopWaiting has called markStale
	}
	c.markStale(f.entry, r)
	if f.entry.failure == nil {
		f.entry.staleServed = false // the store is back; its next outage is another
	}
}
