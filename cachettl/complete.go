package cachettl

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// finish ends f with the result of next. It reads the clock before it takes the
// lock, because the time of a wait for the lock is not the store's.
func (c *Cache) finish(f *fetch, secret hush.Secret, err error) {
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	c.heartbeat(now)
	if !f.ended {
		f.forgotten = f.forgotten || c.closed
		c.end(f, secret, err, now)
	}
}

// end ends f at now with a result. If f was interrupted, a result other than a
// timely secret of the store is ignored.
func (c *Cache) end(f *fetch, secret hush.Secret, err error, now clock.Instant) {
	late, interrupted := c.isLate(f, now), c.isInterrupted(f)
	switch {
	case interrupted && (late || err != nil || degraded(secret)):
		c.abandon(f)
		return
	case late && err == nil:
		secret, err = hush.Secret{}, unavailable(f.entry.ref,
			fmt.Errorf("the response came after the fetch timeout of %v", c.opts.FetchTimeout))
	}
	if f.leftBehind && !interrupted {
		c.watchdog.backgroundStalls = false
	}
	c.complete(f, secret, err, now)
	c.release(f)
}

// complete decides what the Gets that wait for f return, and what its entry holds.
func (c *Cache) complete(f *fetch, secret hush.Secret, err error, now clock.Instant) {
	class, result := hush.ClassOf(err), &record{err: err}
	if class == 0 {
		result = c.newRecord(secret, f.begun, f.ttl)
	} else {
		c.stats.Failures[class]++
	}
	f.plainResult, f.freshResult = result, result
	f.entry.interrupted = false
	if f.forgotten {
		return
	}
	if f.fresh {
		f.entry.countFresh(class, degraded(secret))
	}
	switch {
	case class == 0 && degraded(secret):
		c.storeFallback(f, result, now)
	case class == 0:
		c.store(f, result, now)
	case class == hush.ErrNotFound || class == hush.ErrDenied:
		c.drop(f, result)
	case !isDefinite(class):
		c.fail(f, err, now)
	}
}

// isDefinite reports whether a result of class says something about the secret, and
// not about the state of the store.
func isDefinite(class hush.Class) bool {
	switch class {
	case 0, hush.ErrNotFound, hush.ErrDenied, hush.ErrUnsupported, hush.ErrInvalidRef:
		return true
	}
	return false
}

// countFresh updates after a fresh fetch how many fetches after Forget must still be
// fresh. A fallback secret counts as one of them, because the store before the
// fallback may not support fresh requests at all.
func (e *entry) countFresh(class hush.Class, fallback bool) {
	switch {
	case fallback:
		e.freshLeft = max(e.freshLeft-1, 0)
	case isDefinite(class):
		e.freshLeft = 0
	}
}

// store makes result the record of the entry. A result that is past its TTL already,
// because the fetch took longer, is kept as a stale secret.
func (c *Cache) store(f *fetch, result *record, now clock.Instant) {
	e, last := f.entry, f.entry.lastSecret
	rotated := last != nil && !sameVersion(*last, result.secret)
	e.unchangedAt = clock.Instant{}
	if f.fresh && last != nil && !rotated {
		e.unchangedAt = now
	}
	e.clearFailures()
	c.waitLimit = waitLimit{}
	e.lastSecret = &result.secret
	if f.ttl <= 0 || result.isOver(now) {
		e.record.Store(nil)
	} else {
		e.record.Store(result)
	}
	if rotated {
		c.stats.Rotations++
		if callback := c.opts.OnRotate; callback != nil {
			c.callbacks = append(c.callbacks, func() { callback(e.ref, *last, result.secret) })
		}
	}
}

// storeFallback handles the secret of a fallback store, or a stale one. It never
// replaces a secret that may still be served. It is kept for one backoff step
// only, so that the store is called again soon.
func (c *Cache) storeFallback(f *fetch, result *record, now clock.Instant) {
	e := f.entry
	e.fail(hush.ErrUnavailable, now)
	if !c.keepCached(f, now) {
		e.unchangedAt = clock.Instant{}
		result.endAt(earlier(e.backoffEnd, result.ttlEnd))
		e.record.Store(result)
	}
}

// fail handles an outage. The entry keeps its secret for as long as the class of
// the failure allows.
func (c *Cache) fail(f *fetch, err error, now clock.Instant) {
	f.entry.fail(err, now)
	if f.age(now) >= min(minLongWait, c.opts.FetchTimeout) {
		c.limitWaits(f.entry, c.opts.FetchTimeout, now) // also if next gave up earlier
	}
	c.keepCached(f, now)
}

// keepCached returns the cached secret to the plain Gets that wait for f, if it may
// still be served. It reports whether it may.
func (c *Cache) keepCached(f *fetch, now clock.Instant) bool {
	e := f.entry
	cached := e.fromStore()
	switch {
	case cached == nil || !e.mayServeStale(cached, now):
		return false
	case now.Reached(cached.ttlEnd):
		f.plainResult = cached.asStale()
	case now.Reached(cached.refreshAt):
		f.plainResult = cached.postponeRefresh(e.backoffEnd)
		e.record.Store(f.plainResult)
	default:
		f.plainResult = cached
	}
	return true
}

// drop removes the secret of the entry, because the store does not have it or does
// not allow it.
func (c *Cache) drop(f *fetch, result *record) {
	f.entry.drop()
	c.waitLimit = waitLimit{}
	if hush.ClassOf(result.err) == hush.ErrNotFound && c.opts.NegativeTTL > 0 {
		result.endAt(f.begun.Add(c.opts.NegativeTTL))
		f.entry.record.Store(result)
	}
}

// timeToLive returns the TTL of secret, shortened by the jitter.
func (c *Cache) timeToLive(ref hush.Ref, secret hush.Secret) time.Duration {
	ttl := c.ttl
	if c.opts.TTL != nil {
		ttl = cmp.Or(c.opts.TTL(ref, secret), ttl)
	}
	ttl = max(ttl, 0)
	return ttl - time.Duration(c.opts.Jitter*rand.Float64()*float64(ttl)) //nolint:gosec // jitter needs no secrecy
}
