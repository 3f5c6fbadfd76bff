package cachettl

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A record is one result of the store with its deadlines. It is immutable.
type record struct {
	secret hush.Secret
	err    error // a cached "not found", in place of a secret

	refreshAt       clock.Instant // when a refresh before the end of the TTL starts
	hitUntil        clock.Instant // a Get returns the secret without the lock; later than refreshAt if the refresh is postponed
	ttlEnd          clock.Instant
	revalidateUntil clock.Instant // StaleWhileRevalidate: served while a refresh runs
	staleUntil      clock.Instant // StaleIfError: served during an outage
	refusedUntil    clock.Instant // served during an outage of class ErrRefused

	selections  *selections
	markedStale bool // by this cache
}

// newRecord returns a record of secret with its deadlines. They count from the
// start of the fetch. A lease is refreshed after two thirds of its life.
func (c *Cache) newRecord(secret hush.Secret, begun clock.Instant, ttl time.Duration) *record {
	life, refreshAfter := time.Duration(math.MaxInt64), ttl-min(c.opts.RefreshAhead, ttl/2)
	if !secret.Expires.IsZero() {
		life = secret.Expires.Sub(begun.Time())
		refreshAfter = min(refreshAfter, life/3*2)
	}
	refreshAt, ttlEnd, end := begun.Add(refreshAfter), begun.Add(ttl), begun.Add(life)
	return &record{
		secret: secret, selections: &selections{},
		refreshAt: refreshAt, hitUntil: refreshAt, ttlEnd: earlier(ttlEnd, end),
		revalidateUntil: earlier(ttlEnd.Add(c.opts.StaleWhileRevalidate), end),
		staleUntil:      earlier(ttlEnd.Add(c.opts.StaleIfError), end),
		refusedUntil:    earlier(ttlEnd.Add(min(c.opts.StaleIfError, ttl)), end),
	}
}

// isOver reports whether r may not be served any more, not even stale.
func (r *record) isOver(now clock.Instant) bool {
	return now.Reached(r.ttlEnd) && now.Reached(r.revalidateUntil) && now.Reached(r.staleUntil)
}

// endAt makes end every deadline of r, which is not shared yet.
func (r *record) endAt(end clock.Instant) {
	r.refreshAt, r.hitUntil, r.ttlEnd = end, end, end
	r.revalidateUntil, r.staleUntil, r.refusedUntil = end, end, end
}

// asStale returns a copy of r that is marked Stale. All such copies share their
// selections. Cache.mu is held.
func (r *record) asStale() *record {
	if r.selections.ofStale == nil {
		r.selections.ofStale = &selections{}
	}
	copied := *r
	copied.secret.Stale, copied.selections, copied.markedStale = true, r.selections.ofStale, true
	return &copied
}

// postponeRefresh returns a copy of r that is not refreshed before until.
func (r *record) postponeRefresh(until clock.Instant) *record {
	copied := *r
	copied.hitUntil = earlier(until, r.ttlEnd)
	return &copied
}

func (r *record) isRefreshPostponed() bool { return r.hitUntil != r.refreshAt }

// result returns the result of a Get of ref that got r, or the error of the Get.
func (r *record) result(ref *hush.Ref, err error) hush.Result {
	if err != nil {
		return hush.Result{Err: err}
	}
	secret, err := r.selectField(ref)
	if err != nil {
		return hush.Result{Err: err}
	}
	return hush.Result{Secret: *secret}
}

// selectField returns the secret, or the field that ref selects. It returns a
// pointer, so that a hit copies a secret only once.
func (r *record) selectField(ref *hush.Ref) (*hush.Secret, error) {
	if ref.Field == "" {
		return &r.secret, r.err
	}
	return r.field(ref)
}

// field returns the field that ref selects, and keeps it for later Gets.
func (r *record) field(ref *hush.Ref) (*hush.Secret, error) {
	if r.err != nil {
		return nil, r.err
	}
	if selected := r.selections.find(ref.Field); selected != nil {
		return selected, nil
	}
	if err := ref.Validate(); err != nil {
		return nil, err
	}
	selected, err := ref.Select(r.secret)
	if err != nil {
		return nil, err
	}
	r.selections.add(ref.Field, selected)
	return &selected, nil
}

// selections are the fields that Gets have selected from a secret, and the values
// that GetDerived has derived from it. A secret has few of both, and a short list
// is faster than a map.
type selections struct {
	fields  atomic.Pointer[[]selectedField] // never changed in place
	derived atomic.Pointer[derivation]
	ofStale *selections // from the same secret, marked Stale; Cache.mu guards it
}

type selectedField struct {
	name   string
	secret hush.Secret
}

// maxFields bounds the fields that are kept for one secret.
const maxFields = 64

// find returns the selected field with that name, or nil.
func (s *selections) find(name string) *hush.Secret {
	known := s.fields.Load()
	if known == nil {
		return nil
	}
	for i := range *known {
		if field := &(*known)[i]; field.name == name {
			return &field.secret
		}
	}
	return nil
}

// add adds a field to s. If another field is added at the same time, one of
// the two is lost and selected again later.
func (s *selections) add(name string, secret hush.Secret) {
	known := s.fields.Load()
	var fields []selectedField
	if known != nil {
		fields = *known
	}
	if len(fields) < maxFields {
		fields = append(slices.Clip(fields), selectedField{name, secret})
		s.fields.CompareAndSwap(known, &fields)
	}
}

func earlier(a, b clock.Instant) clock.Instant {
	return clock.Instant{Wall: min(a.Wall, b.Wall), Mono: min(a.Mono, b.Mono)}
}

// sameVersion reports whether s and t are the same version: by Version if both
// have one, otherwise by Value.
func sameVersion(s, t hush.Secret) bool {
	if s.Version != "" && t.Version != "" {
		return s.Version == t.Version
	}
	return s.Value.Equal(t.Value)
}

// older reports whether s was created before t, if both times are known.
func older(s, t hush.Secret) bool {
	return !s.Created.IsZero() && !t.Created.IsZero() && s.Created.Before(t.Created)
}

// degraded reports whether s is a fallback or stale, and so not the secret that the
// store holds now.
func degraded(s hush.Secret) bool { return s.FromFallback || s.Stale }
