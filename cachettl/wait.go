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
// the Get's time. It is for the first Get to wait for a fetch while the cache is
// halting, and for the first Get after each stop; see interrupt.go. All other Gets
// keep StaleWait, so that a busy server does not slow down.
//
// If the store hangs, long waits must not delay every request. After a long wait
// without a response, Gets for the same secret wait for at most 100 ms during the
// next 30 s, and Gets for other secrets during the next 10 s, until the store
// responds. 10 s let a program that reads several secrets lose one full wait and
// not one for each secret, and let a secret whose store responds have its turn.
const (
	longWait        = time.Second
	hangPause       = 30 * time.Second
	hangPauseOthers = 10 * time.Second
)

// A hang is a long wait without a response.
type hang struct {
	patience time.Duration // of the Get that waited
	end      clock.Instant // of the time without long waits
}

// forbids reports whether a Get of that patience must not wait long. A Get that is
// much more patient than the Get that waited may, because a Get with a short deadline
// must not decide for all.
func (h hang) forbids(patience time.Duration, now clock.Instant) bool {
	return patience/2 < h.patience && !now.Reached(h.end)
}

// hung records that a long wait for e brought no response.
func (c *Cache) hung(e *entry, patience time.Duration, now clock.Instant) {
	e.hang = hang{patience, now.Add(hangPause)}
	c.hang = hang{patience, now.Add(hangPauseOthers)}
}

// waitOrStale returns a step that waits for the fetch of s and then returns stale,
// which e holds, or a step that returns stale at once. staleWait is the time that
// any Get waits.
func (c *Cache) waitOrStale(r *request, e *entry, s step, stale *record, staleWait time.Duration, now clock.Instant) step {
	f, age := s.fetch, s.fetch.age(now)
	d, full := staleWait, c.mayWaitInFull(f)
	if full {
		d = c.opts.FetchTimeout
	}
	long, patience := full || d >= longWait, min(d, r.half)
	if long && (e.hang.forbids(patience, now) || c.hang.forbids(patience, now)) {
		long, full = false, false
		d = min(staleWait, defaultStaleWait)
	}
	s.wait = r.limit(d - age)
	if s.wait <= 0 {
		return step{record: c.serveStale(e, stale)}
	}
	if full {
		f.fullWaitAt = c.watch.stops + 1
	}
	s.stale, s.long, s.patience, s.stops = stale, long, patience, c.watch.stops
	return s
}

// mayWaitInFull reports whether the next Get that waits for f waits in full.
func (c *Cache) mayWaitInFull(f *fetch) bool {
	halting := c.watch.halting || f.followsInterrupted || c.interrupted(f)
	return halting && f.fullWaitAt != c.watch.stops+1
}

// await waits as s says. A nil record without an error means: look again.
func (c *Cache) await(ctx context.Context, r *request, s step) (*record, error) {
	var enough <-chan time.Time
	if s.stale != nil {
		timer := time.NewTimer(s.wait)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-s.fetch.done:
	case <-ctx.Done():
		c.leave(s.fetch)
		return nil, hush.NewError(source, r.ref, hush.ErrCanceled, ctx.Err())
	case <-enough:
		if stale, left := c.stopWaiting(s); left {
			return stale, nil
		}
		s.stale = nil
		return c.await(ctx, r, s)
	}
	if !s.join {
		return nil, nil
	}
	return s.fetch.result(r), nil
}

// stopWaiting lets a Get leave at the end of its wait. The Get returns the stale
// secret or, if the process stood still meanwhile, looks again. It stays and waits
// for the fetch if the stale secret was forgotten or is past its bound, or if the
// fetch has just ended.
func (c *Cache) stopWaiting(s step) (stale *record, left bool) {
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	f, e := s.fetch, s.fetch.entry
	c.beat(now)
	c.retire(e.ref, now)
	switch {
	case f.over, e.record.Load() != s.stale, !e.mayServeStale(s.stale, now):
		return nil, false
	case s.stops == c.watch.stops:
		if s.long {
			c.hung(e, s.patience, now)
		}
		stale = c.serveStale(e, s.stale)
	}
	c.leaveLocked(f)
	return stale, true
}

// serveStale returns r, which e holds, marked Stale.
func (c *Cache) serveStale(e *entry, r *record) *record {
	if e.fetch != nil {
		e.fetch.left = true
	}
	return c.markStale(e, r)
}

// markStale returns r marked Stale, and calls OnStale the first time.
func (c *Cache) markStale(e *entry, r *record) *record {
	if !r.markedStale {
		r = r.asStale()
	}
	if call := c.opts.OnStale; call != nil && !e.staleServed {
		why := e.failure
		c.calls = append(c.calls, func() { call(e.ref, r.secret, why) })
	}
	e.staleServed = true
	return r
}

// noteStale handles a stale secret that f left for the Gets that waited for it,
// once one of them returns this secret.
func (c *Cache) noteStale(f *fetch, r *record) {
	if f == nil || r == nil || !r.markedStale {
		return
	}
	c.mu.Lock()
	defer c.unlock()
	c.markStale(f.entry, r)
	if f.entry.failure == nil {
		f.entry.staleServed = false // the store is back; its next outage is another
	}
}
