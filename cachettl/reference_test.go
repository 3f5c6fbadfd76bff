package cachettl_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A modelStore answers at once, by what the commands made of it. A plain read may
// be answered from an older copy, as one through the Lambda extension is.
type modelStore struct {
	setup
	now     clock.Func
	secrets map[string]*modelSecret
	broken  hush.Class // of every call; 0: none

	calls     []string
	fillers   int
	staleSaid map[string]bool // OnStale was called
}

// A modelSecret has versions 1 to made.
type modelSecret struct {
	made, current, front int
	refused              hush.Class
}

func newModelStore(s setup, now clock.Func) *modelStore {
	m := &modelStore{setup: s, now: now, secrets: map[string]*modelSecret{}, staleSaid: map[string]bool{}}
	for _, name := range []string{"a", "b"} {
		m.secrets[name] = &modelSecret{made: 1, current: 1, front: 1}
	}
	return m
}

// Get notes the call and answers.
func (m *modelStore) Get(_ context.Context, ref hush.Ref) (hush.Secret, error) {
	_, fresh := ref.Freshness()
	if strings.HasPrefix(ref.Name, "filler") {
		return hush.Secret{Value: hush.NewValue(nil)}, nil
	}
	m.calls = append(m.calls, callText(ref.Name, fresh))
	secret, class := m.answer(ref.Name, fresh)
	if class != 0 {
		return hush.Secret{}, hush.NewError("store", ref, class, nil)
	}
	return secret, nil
}

func callText(name string, fresh bool) string { return fmt.Sprintf("%s fresh=%t", name, fresh) }

// answer changes nothing, so that the model can ask, too.
func (m *modelStore) answer(name string, fresh bool) (hush.Secret, hush.Class) {
	v := m.secrets[name]
	switch {
	case m.broken == fallbacks:
		return hush.Secret{Value: hush.NewValue([]byte(`{"p":"spare"}`)), FromFallback: true}, 0
	case m.broken != 0:
		return hush.Secret{}, m.broken
	case fresh && m.noFresh:
		return hush.Secret{}, hush.ErrUnsupported
	case v.refused != 0:
		return hush.Secret{}, v.refused
	case fresh:
		return m.version(v.current), 0
	}
	return m.version(v.front), 0
}

func (m *modelStore) version(i int) hush.Secret {
	s := hush.Secret{
		Value: hush.NewValue(fmt.Appendf(nil, `{"p":"value %d"}`, i)), Version: fmt.Sprint("v", i),
		Created: time.Unix(int64(i), 0),
	}
	if m.lease > 0 {
		s.Expires = m.now().Time().Add(m.lease)
	}
	return s
}

// A model is what a Cache does, one get after the other.
type model struct {
	setup
	store   *modelStore
	now     clock.Func
	entries map[string]*modelEntry

	calls              []string
	fetches, rotations uint64
}

type modelEntry struct {
	held      *modelHeld
	last      *hush.Secret  // what the store itself gave last
	believed  clock.Instant // until when nothing newer is looked for
	forgotten int           // so many fetches are fresh ones, until one is answered

	failure hush.Class
	step    time.Duration
	backoff clock.Instant
}

type modelHeld struct {
	secret hush.Secret
	class  hush.Class // NotFound, if that is what is held
	asked  bool       // a refresh ahead of time was made, and did not fail

	ahead, fresh, lapsed, stale, refused clock.Instant // the ends of each
}

// get is a Get: what it answers, and what it changes.
func (m *model) get(ref hush.Ref) (hush.Secret, hush.Class) {
	secret, class := m.whole(ref)
	if class != 0 {
		return hush.Secret{}, class
	}
	secret, err := ref.Select(secret)
	return secret, hush.ClassOf(err)
}

func (m *model) whole(ref hush.Ref) (hush.Secret, hush.Class) {
	e := m.entries[ref.Name]
	if e == nil {
		e = &modelEntry{}
		m.entries[ref.Name] = e
	}
	than, fresh := ref.Freshness()
	live := e.held != nil && !m.now().Reached(e.held.fresh)
	switch {
	case !fresh && e.held != nil:
		return m.serve(ref.Name, e)
	case than != nil && live && (differs(e.held, ref, *than) || !m.now().Reached(e.believed)):
		return e.held.secret, e.held.class
	}
	plain, fetched := m.fetch(ref.Name, e, fresh)
	if fresh {
		return fetched.secret, fetched.class
	}
	return plain.secret, plain.class
}

// differs reports whether h is another secret than the one that was not accepted.
func differs(h *modelHeld, ref hush.Ref, than hush.Secret) bool {
	got, err := ref.Select(h.secret)
	switch {
	case h.class != 0, err != nil, got.FromFallback, h.secret.Created.Before(than.Created) && !h.secret.Created.IsZero():
		return false
	case got.Version != "" && than.Version != "":
		return got.Version != than.Version
	}
	return !got.Value.Equal(than.Value)
}

// serve answers a plain get where something is held.
func (m *model) serve(name string, e *modelEntry) (hush.Secret, hush.Class) {
	h, now := e.held, m.now()
	waits := e.step > 0 && !now.Reached(e.backoff)
	switch {
	case !now.Reached(h.fresh):
		if now.Reached(h.ahead) && !h.asked && !waits {
			h.asked = true
			m.fetch(name, e, false)
		}
		return h.secret, h.class
	case !now.Reached(h.lapsed) && e.failure != hush.ErrUnauthenticated:
		if !waits {
			m.fetch(name, e, false)
		}
		return asStale(h.secret), 0
	case !now.Reached(e.bound(h)) && waits:
		return asStale(h.secret), 0
	}
	plain, _ := m.fetch(name, e, false)
	return plain.secret, plain.class
}

// bound is the end of stale service after the last failure.
func (e *modelEntry) bound(h *modelHeld) clock.Instant {
	switch e.failure {
	case hush.ErrUnauthenticated:
		return h.fresh
	case hush.ErrRefused:
		return h.refused
	}
	return h.stale
}

func asStale(s hush.Secret) hush.Secret {
	s.Stale = true
	return s
}

// A verdict is a secret or a class.
type verdict struct {
	secret hush.Secret
	class  hush.Class
}

func (m *model) ask(name string, fresh bool) verdict {
	m.calls = append(m.calls, callText(name, fresh))
	secret, class := m.store.answer(name, fresh)
	return verdict{secret, class}
}

// fetch asks the store, settles what it says, and returns what those get who asked
// plainly, and those who asked afresh.
func (m *model) fetch(name string, e *modelEntry, fresh bool) (plain, fetched verdict) {
	m.fetches++
	forgotten := e.forgotten > 0 && !fresh
	fresh = fresh || e.forgotten > 0
	v := m.ask(name, fresh)
	if v.class == 0 && !fresh && !v.secret.FromFallback && e.last != nil && v.secret.Created.Before(e.last.Created) {
		v = m.confirm(name, v)
	}
	switch {
	case !fresh:
	case v.secret.FromFallback:
		e.forgotten = max(e.forgotten-1, 0)
	case v.class == 0 || v.class == hush.ErrNotFound || v.class == hush.ErrDenied || v.class == hush.ErrUnsupported:
		e.forgotten = 0
	}
	plain, fetched = m.settle(e, v, fresh), v
	if e.held == nil && e.last == nil {
		*e = modelEntry{forgotten: e.forgotten} // nothing else is worth its place
	}
	if forgotten && v.class == hush.ErrUnsupported {
		return m.fetch(name, e, false)
	}
	return plain, fetched
}

func (m *model) confirm(name string, older verdict) verdict {
	switch v := m.ask(name, true); v.class {
	case 0, hush.ErrNotFound, hush.ErrDenied:
		return v
	case hush.ErrUnsupported:
		return older
	}
	return verdict{class: hush.ErrUnavailable}
}

func (m *model) settle(e *modelEntry, v verdict, fresh bool) (plain verdict) {
	now := m.now()
	h := e.held
	good := h != nil && h.class == 0 && !h.secret.FromFallback
	switch class := v.class; {
	case class == 0 && !v.secret.FromFallback:
		m.take(e, v.secret, fresh)
		return v
	case class == hush.ErrNotFound, class == hush.ErrDenied:
		*e = modelEntry{}
		if end := now.Add(m.negativeTTL); class == hush.ErrNotFound && m.negativeTTL > 0 {
			e.held = &modelHeld{class: class, ahead: end, fresh: end}
		}
		return v
	case class == hush.ErrUnsupported:
		return v
	case class == 0:
		class = hush.ErrUnavailable // a store before the fallback was not there
		fallthrough
	default:
		e.failure, e.step = class, min(max(2*e.step, 100*time.Millisecond), time.Second)
		e.backoff = now.Add(e.step)
	}
	switch {
	case good && !now.Reached(h.fresh):
		h.asked = false
		return verdict{secret: h.secret}
	case good && (!now.Reached(e.bound(h)) || e.failure != hush.ErrUnauthenticated && !now.Reached(h.lapsed)):
		return verdict{secret: asStale(h.secret)}
	case v.class == 0:
		end := e.backoff
		if m.ttl == 0 {
			end = now
		}
		e.held = &modelHeld{secret: v.secret, ahead: end, fresh: end, lapsed: end, stale: end, refused: end}
	}
	return v
}

func (m *model) take(e *modelEntry, s hush.Secret, fresh bool) {
	now, last := m.now(), e.last
	*e = modelEntry{last: &s}
	switch {
	case last == nil:
	case last.Version != s.Version:
		m.rotations++
	case fresh:
		e.believed = now.Add(m.minRefresh)
		if m.minRefresh == 0 {
			e.believed = now.Add(time.Second)
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
	e.held = &modelHeld{
		secret: s, ahead: now.Add(min(m.ttl-min(m.refreshAhead, m.ttl/2), life/3*2)), fresh: end(m.ttl),
		lapsed: end(m.ttl + m.staleWhileRevalidate), stale: end(m.ttl + m.staleIfError), refused: end(m.ttl + min(m.staleIfError, m.ttl)),
	}
}

// alike compares what callers see.
func alike(a, b hush.Secret) bool {
	return a.Value.Equal(b.Value) && a.Version == b.Version && a.Stale == b.Stale && a.FromFallback == b.FromFallback
}

func inShort(s hush.Secret, class hush.Class) string {
	if class != 0 {
		return class.Error()
	}
	return fmt.Sprintf("%s stale=%t fallback=%t", s.Value.Reveal(), s.Stale, s.FromFallback)
}
