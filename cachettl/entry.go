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
	ref     hush.Ref      // a Key
	element *list.Element // of the table's list; nil once the entry is removed
	record  atomic.Pointer[record]
	used    atomic.Bool // read since the eviction hand passed it

	fetch     *fetch // in flight, if any
	nextPlain *fetch // starts when fetch ends
	nextFresh *fetch // starts when both have ended

	lastSecret  *hush.Secret  // the last secret of the store itself, however old
	unchangedAt clock.Instant // when a fresh fetch last found nothing new
	freshLeft   int           // after Forget: number of fetches that must be fresh

	failure     error         // of the last fetch; nil after a success
	backoffStep time.Duration // the last step
	backoffEnd  clock.Instant
	waitLimit   waitLimit
	interrupted bool // the last fetch was interrupted, and its end was ignored
	staleServed bool // a Get returned a stale secret since the last success
}

// touch marks e as read. The load keeps a busy key's cache line shared.
func (e *entry) touch() {
	if !e.used.Load() {
		e.used.Store(true)
	}
}

// drop removes the secret of e and what is known about it.
func (e *entry) drop() {
	e.record.Store(nil)
	e.lastSecret, e.unchangedAt = nil, clock.Instant{}
	e.clearFailures()
}

// clearFailures clears the failures that preceded a success.
func (e *entry) clearFailures() {
	e.failure, e.backoffStep, e.backoffEnd = nil, 0, clock.Instant{}
	e.waitLimit, e.staleServed = waitLimit{}, false
}

// fail records an outage and starts the next step of the backoff.
func (e *entry) fail(err error, now clock.Instant) {
	e.failure = err
	e.backoffStep = min(max(2*e.backoffStep, firstBackoff), maxBackoff)
	e.backoffEnd = now.Add(e.backoffStep)
}

// inBackoff reports whether no fetch may start yet for a secret that e holds.
func (e *entry) inBackoff(now clock.Instant) bool {
	return e.backoffStep > 0 && !now.Reached(e.backoffEnd)
}

// fromStore returns e's record if the secret came from the store itself, or nil.
func (e *entry) fromStore() *record {
	if r := e.record.Load(); r != nil && r.err == nil && !degraded(r.secret) {
		return r
	}
	return nil
}

// mayServeStale reports whether a Get may return r marked Stale. It depends on the
// last failure.
func (e *entry) mayServeStale(r *record, now clock.Instant) bool {
	staleUntil := r.staleUntil
	switch hush.ClassOf(e.failure) {
	case hush.ErrUnauthenticated:
		staleUntil = r.ttlEnd
	case hush.ErrRefused:
		staleUntil = r.refusedUntil
	}
	return !now.Reached(staleUntil) || e.mayRevalidate(r, now)
}

// mayRevalidate reports whether r is within StaleWhileRevalidate. If the store
// rejected our credential in the last fetch, a secret is served within its TTL only.
func (e *entry) mayRevalidate(r *record, now clock.Instant) bool {
	return !now.Reached(r.revalidateUntil) && hush.ClassOf(e.failure) != hush.ErrUnauthenticated
}

// freshAfterForget is the number of fetches after Forget that are fresh, if each of
// them returns a fallback secret.
const freshAfterForget = 2

// forget drops the secret of e at the caller's request.
func (e *entry) forget() {
	e.drop()
	e.freshLeft = freshAfterForget
	if e.fetch != nil {
		e.fetch.forgotten = true
	}
}

// isEmpty reports whether e has no secret and no fetch, so that it need not be kept.
func (e *entry) isEmpty() bool {
	return e.record.Load() == nil && e.lastSecret == nil && e.fetch == nil
}
