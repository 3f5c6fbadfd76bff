package cachettl

import (
	"container/list"
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// The steps of the backoff after an outage.
const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = time.Second
)

// An entry is the state of one key. Hits read record without the lock; Cache.mu
// guards all other fields.
type entry struct {
	ref    hush.Ref      // Whole
	place  *list.Element // in the table; nil once the entry is removed
	record atomic.Pointer[record]
	used   atomic.Bool // read since the eviction hand passed it

	fetch     *fetch // in flight, if any
	nextPlain *fetch // starts when fetch ends
	nextFresh *fetch // starts when both have ended

	last       *record       // the last secret of the store itself, however old
	unchanged  clock.Instant // when a fresh fetch last found nothing new
	freshFirst int           // after Forget: number of fetches that must be fresh

	failure     error         // of the last fetch; nil after a success
	backoffStep time.Duration // the last step
	backoffEnd  clock.Instant
	hang        hang // the last long wait without a response
	interrupted bool // the last fetch was interrupted and its end was void
	staleServed bool // a Get returned a stale secret since the last success
}

// touch marks e as read. The load keeps a busy key's cache line shared.
func (e *entry) touch() {
	if !e.used.Load() {
		e.used.Store(true)
	}
}

// drop removes everything that e holds.
func (e *entry) drop() {
	e.record.Store(nil)
	e.last, e.unchanged = nil, clock.Instant{}
	e.recover()
}

// recover clears the failures that preceded a success.
func (e *entry) recover() {
	e.failure, e.backoffStep, e.backoffEnd = nil, 0, clock.Instant{}
	e.hang, e.staleServed = hang{}, false
}

// startBackoff starts the next step of the backoff.
func (e *entry) startBackoff(now clock.Instant) {
	e.backoffStep = min(max(2*e.backoffStep, firstBackoff), maxBackoff)
	e.backoffEnd = now.Add(e.backoffStep)
}

// inBackoff reports whether no fetch may start yet for a secret that e holds.
func (e *entry) inBackoff(now clock.Instant) bool {
	return e.backoffStep > 0 && !now.Reached(e.backoffEnd)
}

// good returns e's record if the secret came from the store itself, or nil.
func (e *entry) good() *record {
	if r := e.record.Load(); r != nil && r.err == nil && !degraded(r.secret) {
		return r
	}
	return nil
}

// staleEnd returns the end of the time in which a Get may return r marked Stale.
// It depends on the last failure.
func (e *entry) staleEnd(r *record) clock.Instant {
	switch {
	case e.unauthenticated():
		return r.ttlEnd
	case hush.ClassOf(e.failure) == hush.ErrRefused:
		return r.refusedUntil
	}
	return r.staleUntil
}

// mayServeStale reports whether a Get may return r marked Stale.
func (e *entry) mayServeStale(r *record, now clock.Instant) bool {
	return !now.Reached(e.staleEnd(r)) || e.mayRevalidate(r, now)
}

// mayRevalidate reports whether r is within StaleWhileRevalidate.
func (e *entry) mayRevalidate(r *record, now clock.Instant) bool {
	return !now.Reached(r.expiredUntil) && !e.unauthenticated()
}

// unauthenticated reports whether the store rejected our credentials in the last
// fetch. Then a secret may be served within its TTL only.
func (e *entry) unauthenticated() bool { return hush.ClassOf(e.failure) == hush.ErrUnauthenticated }

// freshTries is the number of fetches after Forget that are fresh, if none of
// them reaches the store.
const freshTries = 2

// forget drops what e holds at the caller's request.
func (e *entry) forget() {
	e.drop()
	e.freshFirst = freshTries
	if e.fetch != nil {
		e.fetch.forgotten = true
	}
}

// idle reports whether e holds nothing that is worth its place.
func (e *entry) idle() bool { return e.record.Load() == nil && e.last == nil && e.fetch == nil }
