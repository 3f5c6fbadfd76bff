package cachettl

import (
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

	refreshAt    clock.Instant // a Get starts a refresh from here on
	hitUntil     clock.Instant // a Get returns the secret without the lock until here
	ttlEnd       clock.Instant
	expiredUntil clock.Instant // served while a background refresh runs
	staleUntil   clock.Instant // served during an outage
	refusedUntil clock.Instant // served during an outage of class ErrRefused

	parts       *parts
	markedStale bool // by this cache
}

// newRecord returns a record of secret with its deadlines. They count from the
// start of the fetch.
func (c *Cache) newRecord(secret hush.Secret, begun clock.Instant, ttl time.Duration) *record {
	r := &record{secret: secret, parts: &parts{}}
	r.ttlEnd = begun.Add(ttl)
	r.hitUntil = begun.Add(ttl - min(c.opts.RefreshAhead, ttl/2))
	r.expiredUntil = r.ttlEnd.Add(c.opts.StaleWhileRevalidate)
	r.staleUntil = r.ttlEnd.Add(c.opts.StaleIfError)
	r.refusedUntil = r.ttlEnd.Add(min(c.opts.StaleIfError, ttl))
	r.refreshAt = r.hitUntil
	if secret.Expires.IsZero() {
		return r
	}
	life := secret.Expires.Sub(begun.Time())
	end := begun.Add(life)
	r.hitUntil = earlier(r.hitUntil, begun.Add(life/3*2))
	r.refreshAt = r.hitUntil
	for _, deadline := range []*clock.Instant{&r.ttlEnd, &r.expiredUntil, &r.staleUntil, &r.refusedUntil} {
		*deadline = earlier(*deadline, end)
	}
	return r
}

// expired reports whether r may no longer be served at all, not even stale.
func (r *record) expired(now clock.Instant) bool {
	return now.Reached(r.ttlEnd) && now.Reached(r.expiredUntil) && now.Reached(r.staleUntil)
}

// asStale returns a copy of r that is marked Stale.
func (r *record) asStale() *record {
	copied := *r
	copied.secret.Stale, copied.parts, copied.markedStale = true, &parts{}, true
	return &copied
}

// refreshLater returns a copy of r that is not refreshed before end.
func (r *record) refreshLater(end clock.Instant) *record {
	copied := *r
	copied.hitUntil = earlier(end, r.ttlEnd)
	return &copied
}

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

// field returns the field that ref selects, and remembers it.
func (r *record) field(ref *hush.Ref) (*hush.Secret, error) {
	if r.err != nil {
		return nil, r.err
	}
	if part := r.parts.find(ref.Field); part != nil {
		return part, nil
	}
	if err := ref.Validate(); err != nil {
		return nil, err
	}
	part, err := ref.Select(r.secret)
	if err != nil {
		return nil, err
	}
	r.parts.add(ref.Field, part)
	return &part, nil
}

// parts are the fields that Gets have selected from a secret, and the results that
// GetDerived has derived from it. A secret has few of both, and a short list
// is faster than a map.
type parts struct {
	fields  atomic.Pointer[[]field] // never changed in place
	derived atomic.Pointer[derivation]
}

type field struct {
	name string
	part hush.Secret
}

// maxFields bounds the fields that are remembered for one secret.
const maxFields = 64

// find returns the part of the field with that name, or nil.
func (p *parts) find(name string) *hush.Secret {
	known := p.fields.Load()
	if known == nil {
		return nil
	}
	for i := range *known {
		if field := &(*known)[i]; field.name == name {
			return &field.part
		}
	}
	return nil
}

// add adds a field to p. If another field is added at the same time, one of
// the two is lost and selected again later.
func (p *parts) add(name string, part hush.Secret) {
	known := p.fields.Load()
	var extended []field
	if known != nil {
		extended = *known
	}
	if len(extended) >= maxFields {
		return
	}
	extended = append(slices.Clip(extended), field{name, part})
	p.fields.CompareAndSwap(known, &extended)
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

// degraded reports whether s is not what the store itself holds now.
func degraded(s hush.Secret) bool { return s.FromFallback || s.Stale }
