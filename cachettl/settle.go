package cachettl

import (
	"math/rand/v2"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// The steps of the back-off after a failure.
const (
	firstStep = 100 * time.Millisecond
	lastStep  = time.Second
)

// settle decides what those who wait for f get, and what becomes of its entry.
func (c *Cache) settle(f *fetch, secret hush.Secret, err error, now clock.Instant) {
	h := &held{err: err}
	if err == nil {
		h = c.hold(secret, f.begun, f.ttl)
	} else {
		c.counts.fail(hush.ClassOf(err))
	}
	f.plain, f.fetched = h, h
	f.entry.abandoned = false
	class := hush.ClassOf(err)
	if f.fresh && !f.forgotten {
		f.entry.freshFirst -= spent(class, secondhand(secret), f.entry.freshFirst)
	}
	switch {
	case f.forgotten:
	case class == 0 && secondhand(secret):
		c.borrow(f, h, now)
	case class == 0:
		c.take(f, h, now)
	case class == hush.ErrNotFound || class == hush.ErrDenied:
		c.revoke(f, h, class)
	case class == hush.ErrUnsupported || class == hush.ErrInvalidRef:
	default:
		f.entry.failure = err
		c.fail(f, now)
	}
}

// spent returns how many of the left fresh fetches of a forgotten secret one that
// ended so has used up: all, if it has asked the store, or cannot; none, if the
// store was not there. The answer of a fallback store uses up one: the store before
// it may be one that cannot be asked afresh at all.
func spent(class hush.Class, fallback bool, left int) int {
	switch class {
	case 0:
		if fallback {
			return min(left, 1)
		}
		return left
	case hush.ErrNotFound, hush.ErrDenied, hush.ErrUnsupported, hush.ErrInvalidRef:
		return left
	}
	return 0
}

// take makes h what the entry holds, unless its time is over already.
func (c *Cache) take(f *fetch, h *held, now clock.Instant) {
	e := f.entry
	last := e.last
	changed := last != nil && !same(last.secret, h.secret)
	e.unchanged = clock.Instant{}
	if f.fresh && last != nil && !changed {
		e.unchanged = now
	}
	e.recover()
	e.last = h
	if now.Reached(h.fresh) {
		e.held.Store(nil)
	} else {
		e.held.Store(h)
	}
	if changed {
		c.counts.rotations.Add(1)
		if call := c.opt.OnRotate; call != nil {
			c.calls = append(c.calls, func() { call(e.ref, last.secret, h.secret) })
		}
	}
}

// borrow handles the answer of a fallback store, or a stale one. It never takes
// the place of a good one, and is itself kept for a moment only, so that the store
// before it is asked again soon.
func (c *Cache) borrow(f *fetch, h *held, now clock.Instant) {
	e := f.entry
	e.failure = hush.ErrUnavailable
	e.retry(now)
	if good := e.good(); good != nil && (!now.Reached(good.stale) || !now.Reached(good.lapsed)) {
		c.serveStale(f, good, now)
		return
	}
	e.unchanged = clock.Instant{}
	h.fresh = earlier(e.backoff, h.fresh)
	h.due, h.ahead, h.lapsed, h.stale, h.refuse = h.fresh, h.fresh, h.fresh, h.fresh, h.fresh
	e.held.Store(h)
}

// fail keeps what is held, for as long as the class of the failure allows.
func (c *Cache) fail(f *fetch, now clock.Instant) {
	e := f.entry
	e.retry(now)
	if good := e.good(); good != nil && !now.Reached(e.bound(good)) {
		c.serveStale(f, good, now)
	}
}

// serveStale gives h to those who wait for f and did not ask for a fresh read.
func (c *Cache) serveStale(f *fetch, h *held, now clock.Instant) {
	if !now.Reached(h.fresh) {
		// Still good. A refresh that was due ahead of time is due again.
		f.plain = h
		if now.Reached(h.due) {
			f.plain = h.notAhead(f.entry.backoff)
			f.entry.held.Store(f.plain)
		}
		return
	}
	f.plain = h.asStale()
}

// stale returns h marked Stale, and says so the first time.
func (c *Cache) stale(e *entry, h *held) *held {
	if !h.ours {
		h = h.asStale()
	}
	if call := c.opt.OnStale; call != nil && !e.stale {
		why := e.failure
		c.calls = append(c.calls, func() { call(e.ref, h.secret, why) })
	}
	e.stale = true
	return h
}

// revoke drops what is held: the store said no.
func (c *Cache) revoke(f *fetch, h *held, class hush.Class) {
	f.entry.drop()
	if class == hush.ErrNotFound && c.opt.NegativeTTL > 0 {
		h.fresh = f.begun.Add(c.opt.NegativeTTL)
		h.ahead, h.due = h.fresh, h.fresh
		f.entry.held.Store(h)
	}
}

// hold gives a secret its deadlines.
func (c *Cache) hold(secret hush.Secret, begun clock.Instant, ttl time.Duration) *held {
	h := &held{secret: secret, fields: &fields{}}
	h.fresh = begun.Add(ttl)
	h.ahead = begun.Add(ttl - min(c.opt.RefreshAhead, ttl/2))
	h.lapsed = h.fresh.Add(c.opt.ServeExpired)
	h.stale = h.fresh.Add(c.opt.StaleIfError)
	h.refuse = h.fresh.Add(min(c.opt.StaleIfError, ttl))
	h.due = h.ahead
	if secret.Expires.IsZero() {
		return h
	}
	life := secret.Expires.Sub(begun.Time())
	end := begun.Add(life)
	h.ahead = earlier(h.ahead, begun.Add(life/3*2))
	h.due = h.ahead
	for _, deadline := range []*clock.Instant{&h.fresh, &h.lapsed, &h.stale, &h.refuse} {
		*deadline = earlier(*deadline, end)
	}
	return h
}

func (c *Cache) timeToLive(ref hush.Ref, secret hush.Secret) time.Duration {
	ttl := c.ttl
	if c.opt.TTL != nil {
		if own := c.opt.TTL(ref, secret); own != 0 {
			ttl = own
		}
	}
	ttl = max(ttl, 0)
	return ttl - time.Duration(c.opt.Jitter*rand.Float64()*float64(ttl)) //nolint:gosec // jitter needs no secrecy
}
