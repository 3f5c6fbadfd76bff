package cachettl

import (
	"container/list"
	"maps"
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// An entry is one key's place in the cache. held is read without the lock;
// everything else is guarded by Cache.mu.
type entry struct {
	ref   hush.Ref      // Whole
	place *list.Element // in the table; nil once it is removed
	held  atomic.Pointer[held]
	used  atomic.Bool // read since the evicting hand last came by

	hits atomic.Uint64

	fetch      *fetch        // the one that runs, if any
	queued     *fetch        // the fresh one that starts when it ends
	plain      *fetch        // the plain one that starts before that
	last       *held         // what the store itself last gave, however long ago
	unchanged  clock.Instant // when a fresh fetch last found nothing new
	freshFirst int           // forgotten: so many fetches are fresh ones

	failure   error         // how the last fetch failed; nil once one succeeds
	step      time.Duration // the last back-off step
	backoff   clock.Instant // and its end
	abandoned bool          // the last fetch was cut off
	stale     bool          // something was served stale since the last success
}

// touch marks e as read. The load keeps a busy key's cache line shared.
func (e *entry) touch() {
	if !e.used.Load() {
		e.used.Store(true)
	}
}

// drop ends what e holds.
func (e *entry) drop() {
	e.held.Store(nil)
	e.last, e.unchanged = nil, clock.Instant{}
	e.recover()
}

// recover forgets the failures before a success.
func (e *entry) recover() {
	e.failure, e.step, e.backoff = nil, 0, clock.Instant{}
	e.abandoned, e.stale = false, false
}

// retry sets the end of the next back-off step.
func (e *entry) retry(now clock.Instant) {
	e.step = min(max(2*e.step, firstStep), lastStep)
	e.backoff = now.Add(e.step)
}

// waits reports whether a back-off step is not over.
func (e *entry) waits(now clock.Instant) bool {
	return e.step > 0 && !now.Reached(e.backoff)
}

// good returns what e holds that is the store's own word, or nil.
func (e *entry) good() *held {
	if h := e.held.Load(); h != nil && h.err == nil && !secondhand(h.secret) {
		return h
	}
	return nil
}

// bound returns until when h may be served after the last failure of its store.
func (e *entry) bound(h *held) clock.Instant {
	switch {
	case e.barred():
		return h.fresh
	case hush.ClassOf(e.failure) == hush.ErrRefused:
		return h.refuse
	}
	return h.stale
}

// barred reports whether the store did not know us when it was last asked: what it
// gave before is ours for its TTL and no longer.
func (e *entry) barred() bool { return hush.ClassOf(e.failure) == hush.ErrUnauthenticated }

// freshTries is how many fetches of a forgotten secret are fresh ones, if none of
// them brings the store's word.
const freshTries = 2

// forget drops what e holds on somebody's word.
func (e *entry) forget() {
	e.drop()
	e.freshFirst = freshTries
	if e.fetch != nil {
		e.fetch.forgotten = true
	}
}

// idle reports whether e holds nothing worth its place.
func (e *entry) idle() bool { return e.held.Load() == nil && e.last == nil && e.fetch == nil }

// A held is one answer of the store and its deadlines. It does not change.
type held struct {
	secret hush.Secret
	err    error         // a "not found" that is remembered, in place of a secret
	due    clock.Instant // from here on it is refreshed before its TTL ends
	ahead  clock.Instant // served at a glance until here
	fresh  clock.Instant // the end of the TTL
	lapsed clock.Instant // served while a fetch runs behind until here
	stale  clock.Instant // served while the store cannot be asked until here
	refuse clock.Instant // or while it refuses and does not say why, until here
	fields *fields
	ours   bool // marked Stale by this cache
}

// fields are the parts that were taken from a secret.
type fields struct {
	known atomic.Pointer[map[string]hush.Secret]
}

// maxFields bounds the fields that are remembered of one secret.
const maxFields = 64

// pick returns the secret, or the field of it that ref asks for.
func (h *held) pick(ref hush.Ref) (hush.Secret, error) {
	if h.err != nil || ref.Field == "" {
		return h.secret, h.err
	}
	known := h.fields.known.Load()
	if known != nil {
		if part, ok := (*known)[ref.Field]; ok {
			return part, nil
		}
	}
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	part, err := ref.Select(h.secret)
	if err != nil {
		return hush.Secret{}, err
	}
	h.fields.add(known, ref.Field, part)
	return part, nil
}

// reply is pick, or err.
func (h *held) reply(ref hush.Ref, err error) (hush.Secret, error) {
	if err != nil {
		return hush.Secret{}, err
	}
	return h.pick(ref)
}

// add adds a field to what was known. Losing a race loses a shortcut, no more.
func (f *fields) add(was *map[string]hush.Secret, name string, part hush.Secret) {
	now := map[string]hush.Secret{}
	if was != nil {
		if len(*was) >= maxFields {
			return
		}
		now = maps.Clone(*was)
	}
	now[name] = part
	f.known.CompareAndSwap(was, &now)
}

// asStale returns a copy of h that says that the store could not be asked.
func (h *held) asStale() *held {
	copied := *h
	copied.secret.Stale, copied.fields, copied.ours = true, &fields{}, true
	return &copied
}

// notAhead returns a copy of h that is not refreshed before end.
func (h *held) notAhead(end clock.Instant) *held {
	copied := *h
	copied.ahead = earlier(end, h.fresh)
	return &copied
}

func earlier(a, b clock.Instant) clock.Instant {
	return clock.Instant{Wall: min(a.Wall, b.Wall), Mono: min(a.Mono, b.Mono)}
}

// same reports whether two answers are the same version: by their names if both
// have one, else by value.
func same(s, t hush.Secret) bool {
	if s.Version != "" && t.Version != "" {
		return s.Version == t.Version
	}
	return s.Value.Equal(t.Value)
}

// older reports whether s was made before t, as far as both say when.
func older(s, t hush.Secret) bool {
	return !s.Created.IsZero() && !t.Created.IsZero() && s.Created.Before(t.Created)
}

// secondhand reports whether s is not the store's own word of now.
func secondhand(s hush.Secret) bool { return s.Fallback || s.Stale }
