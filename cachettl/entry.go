package cachettl

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// An entry is one key's place in the cache. held is read without the lock;
// everything else is guarded by Cache.mu.
type entry struct {
	ref  hush.Ref // Whole
	held atomic.Pointer[held]
	used atomic.Bool // read since the evicting hand last came by

	fetch      *fetch        // the one that runs, if any
	queued     *fetch        // the fresh one that starts when it ends
	last       *held         // what the store itself last gave, however long ago
	step       time.Duration // the last back-off step
	unchanged  clock.Instant // when a fresh fetch last found nothing new
	freshFirst bool          // forgotten: the next fetch is a fresh one
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
	e.last, e.step, e.unchanged = nil, 0, clock.Instant{}
}

func (e *entry) forget() {
	e.drop()
	e.freshFirst = true
	if e.fetch != nil {
		e.fetch.forgotten = true
	}
}

// idle reports whether e holds nothing worth its place.
func (e *entry) idle() bool {
	return e.held.Load() == nil && e.last == nil && e.fetch == nil && !e.freshFirst
}

// A held is one answer of the store and its deadlines. It does not change, but
// for the fields that were taken from it.
type held struct {
	secret hush.Secret
	fresh  clock.Instant // served without a question until here
	fields atomic.Pointer[map[string]hush.Secret]
}

// maxFields bounds the fields that are remembered of one secret.
const maxFields = 64

// pick returns the secret, or the field of it that ref asks for.
func (h *held) pick(ref hush.Ref) (hush.Secret, error) {
	if ref.Field == "" {
		return h.secret, nil
	}
	fields := h.fields.Load()
	if fields != nil {
		if part, ok := (*fields)[ref.Field]; ok {
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
	h.remember(fields, ref.Field, part)
	return part, nil
}

// remember adds a field to what was there. Losing a race loses a shortcut, no more.
func (h *held) remember(was *map[string]hush.Secret, name string, part hush.Secret) {
	now := map[string]hush.Secret{}
	if was != nil {
		if len(*was) >= maxFields {
			return
		}
		now = maps.Clone(*was)
	}
	now[name] = part
	h.fields.CompareAndSwap(was, &now)
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
