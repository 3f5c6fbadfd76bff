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
	ref       hush.Ref
	key       hush.Ref
	fresh     bool         // Fresh or NewerThan
	newerThan *hush.Secret // of a NewerThan request

	firstNew uint64 // number of the first fetch that can start after the request; 0: not known yet
	batch    *batch // that a fetch of the request becomes a part of, or nil

	half    time.Duration // of the time until the deadline; very long without one
	halfEnd time.Time     // when the first half ends

	abandoned  int  // fetches that were abandoned while the request waited
	retryPlain bool // a fresh fetch was Unsupported, and the request is plain
}

func newRequest(ctx context.Context, ref hush.Ref) *request {
	req := &request{ref: ref, key: ref.Key(), half: math.MaxInt64}
	req.newerThan, req.fresh = ref.Freshness()
	if deadline, ok := ctx.Deadline(); ok {
		req.half = time.Until(deadline) / 2
	}
	req.halfEnd = time.Now().Add(req.half)
	return req
}

// A step is what a request does next: it returns record, or waits for fetch.
type step struct {
	record *record

	fetch     *fetch
	lookAgain bool // when fetch ends, decide again; otherwise take its result

	stale    *record       // to return at staleAt; nil to wait for the end of fetch
	staleAt  time.Time     // the end of the wait
	longWait time.Duration // if the wait is a long one: its length for a new fetch
	stops    uint64        // number of stops when the wait began
}

// getSlow returns the record for a Get that is not a hit. It may wait for
// several fetches: a fresh Get cannot use a fetch that started before it, and an
// abandoned fetch has no result.
func (c *Cache) getSlow(ctx context.Context, ref hush.Ref) (*record, error) {
	if err := ref.Validate(); err != nil {
		return nil, err
	}
	req := newRequest(ctx, ref)
	return c.follow(ctx, req, c.nextStep(ctx, req))
}

// follow takes step s, and further steps until one has a result.
func (c *Cache) follow(ctx context.Context, req *request, s step) (*record, error) {
	for s.record == nil {
		result, err := c.await(ctx, req, s)
		if result != nil || err != nil {
			c.endWait(s.fetch, result)
			return result, err
		}
		s = c.nextStep(ctx, req)
	}
	return s.record, nil
}

func (c *Cache) nextStep(ctx context.Context, req *request) step {
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	c.heartbeat(now)
	return c.decideStep(ctx, req, now)
}

// decideStep decides what req does next, by what the entry holds and by the fetch
// that is in flight.
func (c *Cache) decideStep(ctx context.Context, req *request, now clock.Instant) step {
	if req.firstNew == 0 {
		req.firstNew = c.launched + 1
	}
	s := c.decide(ctx, req, now)
	if s.record != nil {
		c.count(s.record, false)
	} else {
		s.fetch.waiters++
	}
	return s
}

func (c *Cache) decide(ctx context.Context, req *request, now clock.Instant) step {
	if c.closed {
		return failedStep(req, errClosed)
	}
	followsInterrupted := c.reap(req.key, now) || req.abandoned > 0
	e := c.table.findOrAdd(req.key)
	if followsInterrupted && e.fetch == nil {
		e.interrupted = true // also if e is new, because an entry without a secret is not retained
	}
	cached := e.record.Load()
	live := cached != nil && !now.Reached(cached.ttlEnd)
	switch {
	case live && !req.fresh:
		c.refreshAhead(ctx, req, e, cached, now)
		return e.serve(cached)
	case live && (req.accepts(cached) || c.recentlyRefreshed(req, e, now)):
		return e.serve(cached)
	case cached != nil && !req.fresh && e.mayServeStale(cached, now):
		return c.serveStaleOrWait(ctx, req, e, cached, now)
	case req.gaveUp():
		c.stats.Evictions += c.table.retain(e)
		return failedStep(req, errInterrupted)
	}
	return c.join(ctx, req, e, now)
}

// serve returns the step that returns cached, which e holds.
func (e *entry) serve(cached *record) step {
	e.touch()
	return step{record: cached}
}

// refreshAhead starts a fetch in the background if the time for it has come, unless
// a fetch is in flight or e is in backoff.
func (c *Cache) refreshAhead(ctx context.Context, req *request, e *entry, cached *record, now clock.Instant) {
	if now.Reached(cached.hitUntil) && e.fetch == nil && !e.inBackoff(now) {
		c.start(ctx, req, e, now)
		e.record.Store(cached.postponeRefresh(cached.ttlEnd))
	}
}

// serveStaleOrWait decides for a plain request that may return cached, marked Stale.
func (c *Cache) serveStaleOrWait(ctx context.Context, req *request, e *entry, cached *record, now clock.Instant) step {
	e.touch()
	if e.inBackoff(now) || req.gaveUp() {
		return step{record: c.serveStale(e, cached)}
	}
	staleWait := c.opts.StaleWait
	if e.mayRevalidate(cached, now) {
		staleWait = 0
	}
	return c.waitOrStale(req, c.join(ctx, req, e, now), cached, staleWait, now)
}

// join makes req wait for a fetch: for the one in flight, if its result is new
// enough for req.
func (c *Cache) join(ctx context.Context, req *request, e *entry, now clock.Instant) step {
	switch f := e.fetch; {
	case f == nil:
		return step{fetch: c.start(ctx, req, e, now)}
	case req.newerThan != nil && f.number < req.firstNew:
		return step{fetch: f, lookAgain: true} // f may return a newer secret
	case !req.fresh && req.retryPlain && f.fresh:
		// The plain fetch precedes the pending fresh one. Otherwise a stream of fresh
		// Gets could keep the plain Gets waiting.
		return step{fetch: e.pendingFetch(ctx, &e.nextPlain, false)}
	case req.fresh && (!f.fresh || f.number < req.firstNew), f.forgotten:
		return step{fetch: e.pendingFetch(ctx, &e.nextFresh, true)}
	default:
		return step{fetch: f}
	}
}

// maxAbandoned is the number of abandoned fetches after which a request gives up.
const maxAbandoned = 2

var errInterrupted = errors.New("two fetches in a row were interrupted because the process stood still; try again")

// gaveUp reports whether so many fetches were abandoned that req waits for no other.
func (req *request) gaveUp() bool { return req.abandoned >= maxAbandoned }

func failedStep(req *request, cause error) step {
	return step{record: &record{err: unavailable(req.ref, cause)}}
}

// accepts reports whether cached is newer than the secret that req was made with.
func (req *request) accepts(cached *record) bool {
	if req.newerThan == nil || degraded(cached.secret) || older(cached.secret, *req.newerThan) {
		return false
	}
	selected, err := cached.selectField(&req.ref)
	return err == nil && !sameVersion(*selected, *req.newerThan)
}

// recentlyRefreshed reports whether a fresh fetch found nothing new within
// MinRefresh. Another fetch would only burden the store.
func (c *Cache) recentlyRefreshed(req *request, e *entry, now clock.Instant) bool {
	return req.newerThan != nil && e.fetch == nil && e.unchangedAt != (clock.Instant{}) &&
		!now.Reached(e.unchangedAt.Add(c.opts.MinRefresh))
}
