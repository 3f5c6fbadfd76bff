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
	began     time.Time
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

func (s *store) begins(ref hush.Ref) read {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[ref.Name]
	return read{ref: ref, key: k, began: time.Now(), forgotten: k.forgotten, denied: k.denied, forgets: k.forgets}
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
		s.fault("%s: no call returned this secret", r.ref)
		return nil
	}
	c := s.labelled(secret.Stages[0], "")
	want := c.secret()
	if c.key != r.key || !want.Value.Equal(secret.Value) || want.Version != secret.Version || secret.Source != c.link {
		s.fault("%s: %s of %s is not what %s returned", r.ref, secret.Version, secret.Source, c.label())
	}
	s.checkAge(r, secret, c)
	s.checkFreshness(r, secret, c)
	switch {
	case c.began.Before(r.forgotten):
		s.fault("%s: %s was forgotten before the read began", r.ref, c.label())
	case !c.began.After(r.denied):
		s.fault("%s: %s served again after a later call was refused", r.ref, c.label())
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
	age := r.began.Sub(c.began)
	if age <= bound {
		return
	}
	if secret.Stale || s.laterThan(c, r.began) || age > bound+busy {
		s.fault("%s: %v old, stale %t, from %s", r.ref, age, secret.Stale, c.link)
	}
}

// laterThan reports whether another call for the same key began after c and before t. The
// fetch of c had ended then.
func (s *store) laterThan(c *call, t time.Time) bool {
	for _, later := range s.calls[c.id+1:] {
		if !later.began.Before(t) {
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
	case !fresh, c.began.After(r.began) && c.link != "front" && !secret.Stale:
	case than == nil:
		s.fault("%s: a fresh read returned %s, which began %v before it", r.ref, c.label(), r.began.Sub(c.began))
	case secret.Stale || secret.FromFallback || unchanged(*than, secret):
		s.fault("%s: newer than %s: returned %s, which began %v before it, stale %t, fallback %t",
			r.ref, than.Version, secret.Version, r.began.Sub(c.began), secret.Stale, secret.FromFallback)
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
		s.fault("%s: version %d after version %d, from %s", r.ref, c.version, seen.version, c.label())
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
			s.fault("%s: no call failed like this: %v", r.ref, err)
			return
		case r.began.Sub(c.began) > negativeTTL && s.laterThan(s.labelled(text, ""), r.began):
			s.fault("%s: a refusal of %v before: %v", r.ref, r.began.Sub(c.began), err)
		}
		if c.began.After(r.key.denied) {
			r.key.denied = c.began
		}
	case hush.ErrUnavailable:
		unknown := strings.Contains(text, "breaker") || strings.Contains(text, "a fresh read to confirm it failed")
		if !unknown && (c == nil || c.class != class) {
			s.fault("%s: no call failed like this: %v", r.ref, err)
		}
	case hush.ErrThrottled, hush.ErrUnauthenticated:
		if c == nil || c.class != class {
			s.fault("%s: no call failed like this: %v", r.ref, err)
		}
	default:
		s.fault("%s: unexpected: %v", r.ref, err)
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
		s.fault("%s: the caller's context has %v, and the error is %v", r.ref, ctx.Err(), err)
	}
	return true
}
