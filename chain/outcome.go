package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hush-secrets/hush"
)

// A Failure is the cause of a chain's error. It lists the failures of the links. It
// unwraps only to the failure that decided, so that errors.Is does not report ErrNotFound
// while a store is down.
type Failure struct {
	attempts []*hush.Error
	decided  error
}

// Attempts returns the failures of the links in the order of the chain, including links
// that were skipped because their breaker is open. Each is a *hush.Error whose Provider is
// the link's name.
func (f *Failure) Attempts() []error {
	attempts := make([]error, len(f.attempts))
	for i, attempt := range f.attempts {
		attempts[i] = attempt
	}
	return attempts
}

// Unwrap returns the attempt that decided. If the caller's context ended between two
// calls, Unwrap returns an error that wraps the error of the context.
func (f *Failure) Unwrap() error { return f.decided }

// Error lists the attempts as "name: class: cause". It omits the Ref, which is part of the
// chain's error.
func (f *Failure) Error() string {
	texts := make([]string, 0, len(f.attempts)+1)
	for _, attempt := range f.attempts {
		texts = append(texts, hush.NewError(attempt.Provider, hush.Ref{}, attempt.Class, attempt.Err).Error())
	}
	if _, listed := errors.AsType[*hush.Error](f.decided); !listed {
		texts = append(texts, f.decided.Error())
	}
	return strings.Join(texts, "; ")
}

// fail returns and reports the error of a lookup in which no link returned the secret.
func (s *lookup) fail(ctx context.Context, ref hush.Ref) error {
	s.insertSkipped()
	failures := make([]*hush.Error, len(s.attempts))
	for i := range s.attempts {
		a := &s.attempts[i]
		if a.err == nil {
			_, reason := a.breaker.skipReason()
			a.err = hush.NewError(a.Name, s.reported(), a.class(), reason)
		}
		failures[i] = a.err
	}
	class, decided := s.decide()
	err := hush.NewError(source, ref, class, &Failure{attempts: failures, decided: decided})
	s.report(ctx, Call{Provider: source, Ref: ref, Latency: s.spent, Attempt: s.calls, Unresolved: true, Err: err})
	return err
}

// decide returns the class of the lookup's error and the failure that decided it.
func (s *lookup) decide() (hush.Class, error) {
	if s.end != nil {
		last := s.attempts[s.last]
		if class := last.class(); class == hush.ErrCanceled || isOutage(class) {
			return class, last.err
		}
		if link := s.notCalled(); link != "" && !s.stopped {
			// That link may have the secret.
			return classOfEnd(s.end), fmt.Errorf("%w before %s was called", s.end, link)
		}
	}
	attempts := s.attempts
	if s.stopped {
		attempts = attempts[:s.last+1]
	}
	decisive := decisiveOf(attempts)
	return decisive.class(), decisive.err
}

// notCalled returns the name of a link that the end of the caller's context left out, or
// the empty string.
func (s *lookup) notCalled() string {
	if s.next < len(s.links) {
		return s.links[s.next].Name
	}
	for _, a := range s.attempts {
		if a.skipped {
			return a.Name
		}
	}
	return ""
}

// decisiveOf returns the first attempt of the highest priority that no store overrules.
// attempts are in the order of the links.
func decisiveOf(attempts []attempt) attempt {
	decisive, highest := 0, 0
	for i, a := range attempts {
		if p := cmp.Or(priorities[a.class()], otherPriority); p > highest && !overruled(attempts, i) {
			decisive, highest = i, p
		}
	}
	return attempts[decisive]
}

// priorities are those of decisiveOf. The priority of other classes is otherPriority.
var priorities = map[hush.Class]int{
	hush.ErrUnsupported: 1, hush.ErrAbsent: 2, hush.ErrNotFound: 3,
	hush.ErrThrottled: 5, hush.ErrUnavailable: 5, hush.ErrRefused: 5,
	hush.ErrInvalidRef: 6, // it ended the lookup
}

const otherPriority = 4

// isOutage reports whether class means that the store may have the secret but did not
// respond.
func isOutage(class hush.Class) bool {
	return class == hush.ErrThrottled || class == hush.ErrUnavailable || class == hush.ErrRefused
}

// overruled reports whether attempt i is that of a front, and its store, which is the next
// link without Front, participated in the lookup.
func overruled(attempts []attempt, i int) bool {
	if !attempts[i].Front {
		return false
	}
	for _, a := range attempts[i+1:] {
		if !a.Front {
			return !notParticipating(a.class())
		}
	}
	return false
}

// isFallback reports whether a secret that the next link returns is a fallback: whether a
// store before it, which are the first n attempts, could not serve the secret.
func (s *lookup) isFallback(n int) bool {
	_, fresh := s.ref.Freshness()
	frontFailed := false
	for i := range s.skipped + n {
		link, class := s.result(i)
		failed := isOutage(class) || class == hush.ErrUnauthenticated || fresh && class == hush.ErrUnsupported
		switch {
		case link.Front:
			frontFailed = frontFailed || failed
		case failed, frontFailed && notParticipating(class): // the front was the only way to its store
			return true
		default:
			frontFailed = false
		}
	}
	return false
}

// result returns a link that did not return the secret, and the class of its failure. It
// counts the links that were skipped first.
func (s *lookup) result(i int) (*link, hush.Class) {
	if i < s.skipped {
		return &s.links[i], hush.ErrUnavailable
	}
	a := &s.attempts[i-s.skipped]
	return a.link, a.class()
}
