package cachettl_test

import (
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A model does what a Cache does, for one Get at a time.
type model struct {
	setup
	store   *modelStore
	now     clock.Func
	entries map[string]*modelEntry

	calls              []string
	fetches, rotations uint64
}

type modelEntry struct {
	record         *modelRecord
	last           *hush.Secret  // the last secret of the store itself
	unchangedUntil clock.Instant // the end of MinRefresh
	freshLeft      int           // after Forget: number of fetches that must be fresh

	failure     hush.Class
	backoffStep time.Duration
	backoffEnd  clock.Instant
}

type modelRecord struct {
	secret    hush.Secret
	class     hush.Class // ErrNotFound, in place of a secret
	refreshed bool       // a refresh before the end of the TTL was started and has not failed

	refreshAt, ttlEnd, revalidateUntil, staleUntil, refusedUntil clock.Instant
}

// get returns what a Get of ref returns, and changes the model as the Get changes the
// cache.
func (m *model) get(ref hush.Ref) (hush.Secret, hush.Class) {
	secret, class := m.getKey(ref)
	if class != 0 {
		return hush.Secret{}, class
	}
	secret, err := ref.Select(secret)
	return secret, hush.ClassOf(err)
}

func (m *model) getKey(ref hush.Ref) (hush.Secret, hush.Class) {
	e := m.entries[ref.Name]
	if e == nil {
		e = &modelEntry{}
		m.entries[ref.Name] = e
	}
	rejected, fresh := ref.Freshness()
	live := e.record != nil && !m.now().Reached(e.record.ttlEnd)
	switch {
	case !fresh && e.record != nil:
		return m.serve(ref.Name, e)
	case rejected != nil && live && (differs(e.record, ref, *rejected) || !m.now().Reached(e.unchangedUntil)):
		return e.record.secret, e.record.class
	}
	plain, fetched := m.fetch(ref.Name, e, fresh)
	if fresh {
		return fetched.secret, fetched.class
	}
	return plain.secret, plain.class
}

// differs reports whether r has another secret than the rejected one.
func differs(r *modelRecord, ref hush.Ref, rejected hush.Secret) bool {
	got, err := ref.Select(r.secret)
	switch {
	case r.class != 0, err != nil, got.FromFallback, r.secret.Created.Before(rejected.Created) && !r.secret.Created.IsZero():
		return false
	case got.Version != "" && rejected.Version != "":
		return got.Version != rejected.Version
	}
	return !got.Value.Equal(rejected.Value)
}

// serve is a plain Get of an entry with a record.
func (m *model) serve(name string, e *modelEntry) (hush.Secret, hush.Class) {
	r, now := e.record, m.now()
	inBackoff := e.backoffStep > 0 && !now.Reached(e.backoffEnd)
	switch {
	case !now.Reached(r.ttlEnd):
		if now.Reached(r.refreshAt) && !r.refreshed && !inBackoff {
			r.refreshed = true
			m.fetch(name, e, false)
		}
		return r.secret, r.class
	case !now.Reached(r.revalidateUntil) && e.failure != hush.ErrUnauthenticated:
		if !inBackoff {
			m.fetch(name, e, false)
		}
		return asStale(r.secret), 0
	case !now.Reached(e.staleLimit(r)) && inBackoff:
		return asStale(r.secret), 0
	}
	plain, _ := m.fetch(name, e, false)
	return plain.secret, plain.class
}

// staleLimit returns until when r may be returned stale after the last failure.
func (e *modelEntry) staleLimit(r *modelRecord) clock.Instant {
	switch e.failure {
	case hush.ErrUnauthenticated:
		return r.ttlEnd
	case hush.ErrRefused:
		return r.refusedUntil
	}
	return r.staleUntil
}

func asStale(s hush.Secret) hush.Secret {
	s.Stale = true
	return s
}

// A fetchResult is a secret or a class.
type fetchResult struct {
	secret hush.Secret
	class  hush.Class
}

func (m *model) call(name string, fresh bool) fetchResult {
	m.calls = append(m.calls, callText(name, fresh))
	secret, class := m.store.respond(name, fresh)
	return fetchResult{secret, class}
}

// fetch calls the store and completes the entry. It returns the results of plain Gets
// and of fresh Gets.
func (m *model) fetch(name string, e *modelEntry, fresh bool) (plain, fetched fetchResult) {
	m.fetches++
	forgotten := e.freshLeft > 0 && !fresh
	fresh = fresh || e.freshLeft > 0
	v := m.call(name, fresh)
	if v.class == 0 && !fresh && !v.secret.FromFallback && e.last != nil && v.secret.Created.Before(e.last.Created) {
		v = m.confirm(name, v)
	}
	switch {
	case !fresh:
	case v.secret.FromFallback:
		e.freshLeft = max(e.freshLeft-1, 0)
	case v.class == 0 || v.class == hush.ErrNotFound || v.class == hush.ErrDenied || v.class == hush.ErrUnsupported:
		e.freshLeft = 0
	}
	plain, fetched = m.complete(e, v, fresh), v
	if e.record == nil && e.last == nil {
		*e = modelEntry{freshLeft: e.freshLeft} // an empty entry is removed
	}
	if forgotten && v.class == hush.ErrUnsupported {
		return m.fetch(name, e, false)
	}
	return plain, fetched
}

func (m *model) confirm(name string, older fetchResult) fetchResult {
	switch v := m.call(name, true); v.class {
	case 0, hush.ErrNotFound, hush.ErrDenied:
		return v
	case hush.ErrUnsupported:
		return older
	}
	return fetchResult{class: hush.ErrUnavailable}
}

func (m *model) complete(e *modelEntry, v fetchResult, fresh bool) (plain fetchResult) {
	now := m.now()
	r := e.record
	good := r != nil && r.class == 0 && !r.secret.FromFallback
	switch class := v.class; {
	case class == 0 && !v.secret.FromFallback:
		m.storeSecret(e, v.secret, fresh)
		return v
	case class == hush.ErrNotFound, class == hush.ErrDenied:
		*e = modelEntry{}
		if end := now.Add(m.negativeTTL); class == hush.ErrNotFound && m.negativeTTL > 0 {
			e.record = &modelRecord{class: class, refreshAt: end, ttlEnd: end}
		}
		return v
	case class == hush.ErrUnsupported:
		return v
	case class == 0:
		class = hush.ErrUnavailable // the store before the fallback failed
		fallthrough
	default:
		e.failure, e.backoffStep = class, min(max(2*e.backoffStep, 100*time.Millisecond), time.Second)
		e.backoffEnd = now.Add(e.backoffStep)
	}
	switch {
	case good && !now.Reached(r.ttlEnd):
		r.refreshed = false
		return fetchResult{secret: r.secret}
	case good && (!now.Reached(e.staleLimit(r)) || e.failure != hush.ErrUnauthenticated && !now.Reached(r.revalidateUntil)):
		return fetchResult{secret: asStale(r.secret)}
	case v.class == 0:
		end := e.backoffEnd
		if m.ttl == 0 {
			end = now
		}
		e.record = &modelRecord{secret: v.secret, refreshAt: end, ttlEnd: end, revalidateUntil: end, staleUntil: end, refusedUntil: end}
	}
	return v
}

func (m *model) storeSecret(e *modelEntry, s hush.Secret, fresh bool) {
	now, last := m.now(), e.last
	*e = modelEntry{last: &s}
	switch {
	case last == nil:
	case last.Version != s.Version:
		m.rotations++
	case fresh:
		e.unchangedUntil = now.Add(m.minRefresh)
		if m.minRefresh == 0 {
			e.unchangedUntil = now.Add(time.Second)
		}
	}
	if m.ttl == 0 {
		return
	}
	life := time.Duration(1 << 62)
	if m.lease > 0 {
		life = m.lease
	}
	end := func(d time.Duration) clock.Instant { return now.Add(min(d, life)) }
	e.record = &modelRecord{
		secret: s, refreshAt: now.Add(min(m.ttl-min(m.refreshAhead, m.ttl/2), life/3*2)), ttlEnd: end(m.ttl),
		revalidateUntil: end(m.ttl + m.staleWhileRevalidate), staleUntil: end(m.ttl + m.staleIfError), refusedUntil: end(m.ttl + min(m.staleIfError, m.ttl)),
	}
}

// equal reports whether a and b are equal for a caller.
func equal(a, b hush.Secret) bool {
	return a.Value.Equal(b.Value) && a.Version == b.Version && a.Stale == b.Stale && a.FromFallback == b.FromFallback
}

func text(s hush.Secret, class hush.Class) string {
	if class != 0 {
		return class.Error()
	}
	return fmt.Sprintf("%s stale=%t fallback=%t", s.Value.Reveal(), s.Stale, s.FromFallback)
}
