package stress_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
)

// A read is one Get, with the state of its key at its start.
type read struct {
	ref       hush.Ref
	key       *key
	start     time.Time
	forgotten time.Time // the start of the last Forget that had returned
	denied    time.Time
	forgets   int
}

// A memory is what a reader has seen of a key.
type memory struct {
	secret   hush.Secret
	version  int
	refusals int // of the store until then
}

func (s *store) startRead(ref hush.Ref) read {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[ref.Name]
	return read{ref: ref, key: k, start: time.Now(), forgotten: k.forgotten, denied: k.denied, forgets: k.forgets}
}

// check checks the result of a read. The label of a secret names the call that returned it,
// so the checks need no margin.
func (s *store) check(r read, secret hush.Secret, err error) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.checkError(r, err)
		return nil
	}
	if len(secret.Stages) != 1 {
		s.failf("%s: no call returned this secret", r.ref)
		return nil
	}
	c := s.labelled(secret.Stages[0], "")
	want := c.secret()
	if c.key != r.key || !want.Value.Equal(secret.Value) || want.Version != secret.Version || secret.Source != c.link {
		s.failf("%s: %s of %s is not what %s returned", r.ref, secret.Version, secret.Source, c.label())
	}
	s.checkAge(r, secret, c)
	s.checkFreshness(r, secret, c)
	switch {
	case c.start.Before(r.forgotten):
		s.failf("%s: %s was forgotten before the read started", r.ref, c.label())
	case !c.start.After(r.denied):
		s.failf("%s: %s served again after a later call was refused", r.ref, c.label())
	}
	return c
}

// checkAge checks that a secret from memory is within its limit. A secret that the read
// waited for may be as old as its call.
func (s *store) checkAge(r read, secret hush.Secret, c *call) {
	bound := ttl
	if secret.Stale {
		bound += max(staleIfError, staleWhileRevalidate)
	}
	age := r.start.Sub(c.start)
	if age <= bound {
		return
	}
	if secret.Stale || s.laterThan(c, r.start) || age > bound+busy {
		s.failf("%s: %v old, stale %t, from %s", r.ref, age, secret.Stale, c.link)
	}
}

// laterThan reports whether another call for the same key started after c and before t. The
// fetch of c had ended then.
func (s *store) laterThan(c *call, t time.Time) bool {
	for _, later := range s.calls[c.id+1:] {
		if !later.start.Before(t) {
			return false
		}
		if later.key == c.key {
			return true
		}
	}
	return false
}

func (s *store) checkFreshness(r read, secret hush.Secret, c *call) {
	than, fresh := r.ref.Freshness()
	switch {
	case !fresh, c.start.After(r.start) && c.link != "front" && !secret.Stale:
	case than == nil:
		s.failf("%s: a fresh read returned %s, which started %v before it", r.ref, c.label(), r.start.Sub(c.start))
	case secret.Stale || secret.FromFallback || unchanged(*than, secret):
		s.failf("%s: newer than %s: returned %s, which started %v before it, stale %t, fallback %t",
			r.ref, than.Version, secret.Version, r.start.Sub(c.start), secret.Stale, secret.FromFallback)
	}
}

func unchanged(a, b hush.Secret) bool {
	if a.Version != "" && b.Version != "" {
		return a.Version == b.Version
	}
	return a.Value.Equal(b.Value)
}

// checkBackwards checks that a reader sees no older version than before, unless the store
// rolled back to it, or refused the secret meanwhile, which ends the entry of the cache.
func (s *store) checkBackwards(r read, seen *memory, secret hush.Secret, c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := r.key
	if c.version < seen.version && k.refusals == seen.refusals && k.forgets == r.forgets && !k.rolledBack(seen.version, c.version) {
		s.failf("%s: version %d after version %d, from %s", r.ref, c.version, seen.version, c.label())
	}
	*seen = memory{secret: secret, version: c.version, refusals: k.refusals}
}

// rolledBack reports whether to was current after from.
func (k *key) rolledBack(from, to int) bool {
	first := slices.Index(k.history, from)
	return first >= 0 && slices.Contains(k.history[first:], to)
}

func (s *store) checkError(r read, err error) {
	class, text := hush.ClassOf(err), err.Error()
	c := s.labelled(text, "store")
	switch class {
	case hush.ErrDenied, hush.ErrNotFound:
		switch {
		case c == nil || c.class != class || c.key != r.key:
			s.failf("%s: no call failed like this: %v", r.ref, err)
			return
		case r.start.Sub(c.start) > negativeTTL && s.laterThan(s.labelled(text, ""), r.start):
			s.failf("%s: a refusal of %v before: %v", r.ref, r.start.Sub(c.start), err)
		}
		if c.start.After(r.key.denied) {
			r.key.denied = c.start
		}
	case hush.ErrUnavailable:
		unknown := strings.Contains(text, "breaker") || strings.Contains(text, "a fresh read to confirm it failed")
		if !unknown && (c == nil || c.class != class) {
			s.failf("%s: no call failed like this: %v", r.ref, err)
		}
	case hush.ErrThrottled, hush.ErrUnauthenticated:
		if c == nil || c.class != class {
			s.failf("%s: no call failed like this: %v", r.ref, err)
		}
	default:
		s.failf("%s: unexpected: %v", r.ref, err)
	}
}

// checkCanceled checks that an error is about the end of a context only if the context of
// the reader ended.
func (s *store) checkCanceled(ctx context.Context, r read, err error) (canceled bool) {
	is := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, hush.ErrCanceled)
	if !is {
		return false
	}
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) || hush.ClassOf(err) != hush.ErrCanceled {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failf("%s: the caller's context has %v, and the error is %v", r.ref, ctx.Err(), err)
	}
	return true
}
