package cachettl

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A request is one Get that is not a hit.
type request struct {
	ref   hush.Ref
	whole hush.Ref
	than  *hush.Secret // the request is NewerThan this
	fresh bool         // Fresh or NewerThan

	launched uint64        // fetches that were launched before the request came
	half     time.Duration // of the time until the deadline; very long without one
	halfTime time.Time     // the end of half

	lost       int  // fetches that were abandoned while the request waited
	retryPlain bool // a fresh fetch was Unsupported, and the request is plain
}

func newRequest(ctx context.Context, ref hush.Ref) *request {
	r := &request{ref: ref, whole: ref.Key(), half: math.MaxInt64}
	r.than, r.fresh = ref.Freshness()
	if deadline, ok := ctx.Deadline(); ok {
		r.half = time.Until(deadline) / 2
	}
	r.halfTime = time.Now().Add(r.half)
	return r
}

// limit returns d, or the rest of the first half of the request's time if that is
// less. The second half belongs to the caller.
func (r *request) limit(d time.Duration) time.Duration {
	return min(d, time.Until(r.halfTime))
}

// A step is what a request does next: it returns record, or waits for fetch.
type step struct {
	record *record

	fetch *fetch
	join  bool // take the result of fetch; otherwise look again when fetch ends

	stale    *record       // to return after wait; nil to wait for the end of fetch
	wait     time.Duration // for fetch
	long     bool          // wait is a long one
	patience time.Duration // wait as it would be for a new fetch
	stops    uint64        // number of stops when the wait began
}

// getSlow returns the record for a Get that is not a hit. It may wait for
// several fetches: a fresh Get cannot use a fetch that started before it, and an
// abandoned fetch has no result.
func (c *Cache) getSlow(ctx context.Context, ref hush.Ref) (*record, error) {
	if err := ref.Validate(); err != nil {
		return nil, err
	}
	r := newRequest(ctx, ref)
	c.mu.Lock()
	r.launched = c.launched
	c.mu.Unlock()
	for {
		s := c.nextStep(ctx, r)
		result, err := s.record, error(nil)
		if result == nil {
			result, err = c.await(ctx, r, s)
		}
		if result != nil || err != nil {
			c.counts.count(s, result)
			c.noteStale(s.fetch, result)
			return result, err
		}
	}
}

// nextStep decides what r does next, by what the entry holds and by the fetch that
// is in flight.
func (c *Cache) nextStep(ctx context.Context, r *request) step {
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return failedStep(r, errClosed)
	}
	c.beat(now)
	s := c.decide(ctx, r, now)
	if s.record == nil {
		s.fetch.waiters++
	}
	return s
}

func (c *Cache) decide(ctx context.Context, r *request, now clock.Instant) step {
	followsInterrupted := c.retire(r.whole, now) || r.lost > 0
	e := c.entry(r.whole)
	if followsInterrupted && e.fetch == nil {
		e.interrupted = true // also if e is new, because an entry without a secret is not retained
	}
	held := e.record.Load()
	switch {
	case held != nil && !r.fresh:
		return c.serve(ctx, r, e, held, now)
	case held != nil && !now.Reached(held.ttlEnd) && (r.accepts(held) || c.recentlyRefreshed(r, e, now)):
		e.touch()
		return step{record: held}
	case r.gaveUp():
		c.counts.evictions.Add(c.table.retain(e))
		return failedStep(r, errInterrupted)
	}
	return c.join(ctx, r, e, now)
}

// serve decides for a plain request whose entry holds a record.
func (c *Cache) serve(ctx context.Context, r *request, e *entry, held *record, now clock.Instant) step {
	e.touch()
	staleWait := c.opts.StaleWait
	switch {
	case !now.Reached(held.ttlEnd):
		if now.Reached(held.hitUntil) && c.refresh(ctx, e, now) {
			e.record.Store(held.refreshLater(held.ttlEnd))
		}
		return step{record: held}
	case !e.mayServeStale(held, now) && r.gaveUp():
		return failedStep(r, errInterrupted)
	case !e.mayServeStale(held, now):
		return c.join(ctx, r, e, now)
	case e.inBackoff(now), r.gaveUp():
		return step{record: c.serveStale(e, held)}
	case e.mayRevalidate(held, now):
		staleWait = 0
	}
	return c.waitOrStale(r, e, c.join(ctx, r, e, now), held, staleWait, now)
}

// refresh starts a fetch in the background, unless a fetch is in flight or the
// entry is in backoff. It reports whether it did.
func (c *Cache) refresh(ctx context.Context, e *entry, now clock.Instant) bool {
	if e.fetch != nil || e.inBackoff(now) {
		return false
	}
	c.start(ctx, e, false, now)
	return true
}

// join makes r wait for a fetch: for the one in flight, if its result is new enough
// for r.
func (c *Cache) join(ctx context.Context, r *request, e *entry, now clock.Instant) step {
	switch f := e.fetch; {
	case f == nil:
		return step{fetch: c.start(ctx, e, r.fresh, now), join: true}
	case r.than != nil && f.number <= r.launched:
		return step{fetch: f} // it may return a newer secret
	case !r.fresh && r.retryPlain && f.fresh:
		return step{fetch: e.queuePlain(ctx), join: true}
	case r.fresh && (!f.fresh || f.number <= r.launched), f.forgotten:
		return step{fetch: e.queueFresh(ctx), join: true}
	default:
		return step{fetch: f, join: true}
	}
}

// maxLost is the number of abandoned fetches after which a request gives up.
const maxLost = 2

var errInterrupted = errors.New("two fetches in a row were interrupted because the process stood still; try again")

// gaveUp reports whether so many fetches were abandoned that r waits for no other.
func (r *request) gaveUp() bool { return r.lost >= maxLost }

func failedStep(r *request, cause error) step {
	return step{record: &record{err: hush.NewError(source, r.ref, hush.ErrUnavailable, cause)}}
}

// accepts reports whether held is newer than the secret that r was made with.
func (r *request) accepts(held *record) bool {
	if r.than == nil || degraded(held.secret) || older(held.secret, *r.than) {
		return false
	}
	part, err := held.selectField(&r.ref)
	return err == nil && !sameVersion(*part, *r.than)
}

// recentlyRefreshed reports whether a fresh fetch found nothing new within
// MinRefresh. Another fetch would only burden the store.
func (c *Cache) recentlyRefreshed(r *request, e *entry, now clock.Instant) bool {
	return r.than != nil && e.fetch == nil && e.unchanged != (clock.Instant{}) &&
		!now.Reached(e.unchanged.Add(c.opts.MinRefresh))
}
