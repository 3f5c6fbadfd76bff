package cachettl

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// finish ends f with what next returned. It reads the clock before it takes the
// lock, because a wait for the lock is not the store's.
func (c *Cache) finish(f *fetch, secret hush.Secret, err error) {
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	c.beat(now)
	if !f.over {
		f.forgotten = f.forgotten || c.closed
		c.end(f, secret, err, now)
	}
}

// end ends f at now with a result. A result other than a timely secret of the store
// is void if f was interrupted.
func (c *Cache) end(f *fetch, secret hush.Secret, err error, now clock.Instant) {
	late, interrupted := now.Reached(f.limit), c.interrupted(f)
	switch {
	case interrupted && (late || err != nil || degraded(secret)):
		c.abandon(f)
		return
	case late && err == nil:
		secret, err = hush.Secret{}, hush.NewError(source, f.entry.ref, hush.ErrUnavailable,
			fmt.Errorf("the response came after the fetch timeout of %v", c.opts.FetchTimeout))
	}
	if f.left && !interrupted {
		c.watch.halting = false
	}
	c.complete(f, secret, err, now)
	c.release(f)
}

// complete decides what the Gets that wait for f return, and what its entry holds.
func (c *Cache) complete(f *fetch, secret hush.Secret, err error, now clock.Instant) {
	var result *record
	if err == nil {
		result = c.newRecord(secret, f.begun, f.ttl)
	} else {
		result = &record{err: err}
		c.counts.fail(hush.ClassOf(err))
	}
	f.plain, f.exact = result, result
	f.entry.interrupted = false
	class := hush.ClassOf(err)
	if f.fresh && !f.forgotten {
		f.entry.freshFirst -= freshDone(class, degraded(secret), f.entry.freshFirst)
	}
	switch {
	case f.forgotten:
	case class == 0 && degraded(secret):
		c.storeFallback(f, result, now)
	case class == 0:
		c.store(f, result, now)
	case class == hush.ErrNotFound || class == hush.ErrDenied:
		c.drop(f, result, class)
	case class == hush.ErrUnsupported || class == hush.ErrInvalidRef:
	default:
		f.entry.failure = err
		c.fail(f, now)
	}
}

// freshDone returns how many of the remaining fresh fetches after Forget have become
// unnecessary: all, if the store responded or does not support fresh requests;
// none during an outage. A fallback secret counts as one: the store before it may
// not support fresh requests at all.
func freshDone(class hush.Class, fallback bool, remaining int) int {
	switch class {
	case 0:
		if fallback {
			return min(remaining, 1)
		}
		return remaining
	case hush.ErrNotFound, hush.ErrDenied, hush.ErrUnsupported, hush.ErrInvalidRef:
		return remaining
	}
	return 0
}

// store makes result what the entry holds. A result that is past its TTL already,
// because the fetch took longer, is kept as a stale secret.
func (c *Cache) store(f *fetch, result *record, now clock.Instant) {
	e := f.entry
	last := e.last
	rotated := last != nil && !sameVersion(last.secret, result.secret)
	e.unchanged = clock.Instant{}
	if f.fresh && last != nil && !rotated {
		e.unchanged = now
	}
	e.recover()
	c.hang = hang{}
	e.last = result
	if f.ttl <= 0 || result.expired(now) {
		e.record.Store(nil)
	} else {
		e.record.Store(result)
	}
	if rotated {
		c.counts.rotations.Add(1)
		if call := c.opts.OnRotate; call != nil {
			c.calls = append(c.calls, func() { call(e.ref, last.secret, result.secret) })
		}
	}
}

// storeFallback handles the secret of a fallback store, or a stale one. It never
// replaces a secret that may still be served. It is kept for one backoff step
// only, so that the store is called again soon.
func (c *Cache) storeFallback(f *fetch, result *record, now clock.Instant) {
	e := f.entry
	e.failure = hush.ErrUnavailable
	e.startBackoff(now)
	if good := e.good(); good != nil && e.mayServeStale(good, now) {
		c.keep(f, good, now)
		return
	}
	e.unchanged = clock.Instant{}
	end := earlier(e.backoffEnd, result.ttlEnd)
	result.ttlEnd, result.refreshAt, result.hitUntil = end, end, end
	result.expiredUntil, result.staleUntil, result.refusedUntil = end, end, end
	e.record.Store(result)
}

// fail handles an outage. The entry keeps its secret for as long as the class of
// the failure allows.
func (c *Cache) fail(f *fetch, now clock.Instant) {
	e := f.entry
	e.startBackoff(now)
	if now.Since(f.begun) >= min(longWait, c.opts.FetchTimeout) {
		c.hung(e, c.opts.FetchTimeout, now) // also if next gave up earlier
	}
	if good := e.good(); good != nil && e.mayServeStale(good, now) {
		c.keep(f, good, now)
	}
}

// keep returns held to the plain Gets that wait for f.
func (c *Cache) keep(f *fetch, held *record, now clock.Instant) {
	if now.Reached(held.ttlEnd) {
		f.plain = held.asStale()
		return
	}
	f.plain = held
	if now.Reached(held.refreshAt) {
		f.plain = held.refreshLater(f.entry.backoffEnd)
		f.entry.record.Store(f.plain)
	}
}

// drop removes what the entry holds, because the store has no such secret or does
// not allow it.
func (c *Cache) drop(f *fetch, result *record, class hush.Class) {
	f.entry.drop()
	c.hang = hang{}
	if class == hush.ErrNotFound && c.opts.NegativeTTL > 0 {
		result.ttlEnd = f.begun.Add(c.opts.NegativeTTL)
		result.hitUntil, result.refreshAt = result.ttlEnd, result.ttlEnd
		f.entry.record.Store(result)
	}
}

// timeToLive returns the TTL of secret, shortened by the jitter.
func (c *Cache) timeToLive(ref hush.Ref, secret hush.Secret) time.Duration {
	ttl := c.ttl
	if c.opts.TTL != nil {
		if own := c.opts.TTL(ref, secret); own != 0 {
			ttl = own
		}
	}
	ttl = max(ttl, 0)
	return ttl - time.Duration(c.opts.Jitter*rand.Float64()*float64(ttl)) //nolint:gosec // jitter needs no secrecy
}
