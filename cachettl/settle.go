package cachettl

import (
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// The steps that a fallback store's answer is kept for, while the store before it
// cannot be asked.
const (
	firstStep = 100 * time.Millisecond
	lastStep  = time.Second
)

// settle decides what those who wait for f get, and what becomes of its entry.
func (c *Cache) settle(f *fetch, secret hush.Secret, err error, now clock.Instant) {
	if err != nil {
		f.err = err
		class := hush.ClassOf(err)
		if !f.forgotten && (class == hush.ErrNotFound || class == hush.ErrDenied) {
			f.entry.drop()
		}
		return
	}
	h := c.hold(secret, f.begun)
	f.plain, f.fetched = h, h
	switch {
	case f.forgotten:
	case secondhand(secret):
		c.borrow(f, h, now)
	default:
		c.take(f, h, now)
	}
}

// take makes h what the entry holds, unless its time is over already.
func (c *Cache) take(f *fetch, h *held, now clock.Instant) {
	e := f.entry
	switch {
	case f.fresh && e.last != nil && same(e.last.secret, h.secret):
		e.unchanged = now
	default:
		e.unchanged = clock.Instant{}
	}
	e.last, e.step = h, 0
	if now.Reached(h.fresh) {
		h = nil
	}
	e.held.Store(h)
}

// borrow keeps the answer of a fallback store for a moment, so that the store
// before it is asked again soon. It never takes the place of a good answer, nor
// of the memory of what the store itself last gave.
func (c *Cache) borrow(f *fetch, h *held, now clock.Instant) {
	e := f.entry
	if was := e.held.Load(); was != nil && !secondhand(was.secret) && !now.Reached(was.fresh) {
		f.plain = was.stale()
		return
	}
	e.step = min(max(2*e.step, firstStep), lastStep)
	h.fresh = earlier(now.Add(e.step), h.fresh)
	e.held.Store(h)
}

// hold gives a secret its deadlines.
func (c *Cache) hold(secret hush.Secret, begun clock.Instant) *held {
	h := &held{secret: secret, fresh: begun.Add(max(c.ttl, 0))}
	if !secret.Expires.IsZero() {
		h.fresh = earlier(h.fresh, begun.Add(secret.Expires.Sub(begun.Time())))
	}
	return h
}

func earlier(a, b clock.Instant) clock.Instant {
	return clock.Instant{Wall: min(a.Wall, b.Wall), Mono: min(a.Mono, b.Mono)}
}

// stale returns a copy of h that says that the store could not be asked.
func (h *held) stale() *held {
	copied := &held{secret: h.secret, fresh: h.fresh}
	copied.secret.Stale = true
	return copied
}
