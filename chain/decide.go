package chain

import (
	"context"
	"fmt"

	"github.com/hush-secrets/hush"
)

// An attempt is the result of a link that did not return the secret.
type attempt struct {
	*link
	class hush.Class
	held  bool        // its breaker has held it back so far
	err   *hush.Error // nil if it was held back and no one has needed the error yet
}

// fail returns the error of a search in which no link returned the secret, and logs it.
func (s *search) fail(ctx context.Context, ref hush.Ref) error {
	s.insertSkipped()
	failures := make([]*hush.Error, len(s.attempts))
	for i, a := range s.attempts {
		if failures[i] = a.err; a.err == nil {
			_, why := a.breaker.heldBack()
			s.attempts[i].err = hush.NewError(a.Name, s.called(), a.class, why)
			failures[i] = s.attempts[i].err
		}
	}
	class, decided := s.verdict()
	err := hush.NewError(name, ref, class, &Failure{attempts: failures, decided: decided})
	s.report(ctx, Call{
		Provider: name, Ref: ref, Class: class, Latency: s.spent, Attempt: s.calls, Unresolved: true, Err: err,
	})
	return err
}

// insertSkipped puts the links that were held back first before the other attempts.
func (s *search) insertSkipped() {
	if s.skipped == 0 {
		return
	}
	all := make([]attempt, s.skipped, len(s.links))
	for i := range all {
		all[i] = attempt{link: &s.links[i], class: hush.ErrUnavailable, held: true}
	}
	s.attempts, s.last, s.skipped = append(all, s.attempts...), s.last+s.skipped, 0
}

// countHeld returns how many links, from attempt i on, are held back.
func (s *search) countHeld(i int) (n int) {
	for _, a := range s.attempts[i:] {
		if a.held {
			n++
		}
	}
	return n
}

// verdict returns the class of the search and the error that decided it.
func (s *search) verdict() (hush.Class, error) {
	decisive := s.attempts
	if s.stopped {
		decisive = s.attempts[:s.last+1]
	}
	last := s.attempts[s.last]
	if s.end == nil {
		return decide(decisive).result()
	}
	if last.class == hush.ErrCanceled || outage(last.class) {
		return last.result()
	}
	if missing := s.notCalled(); missing != "" && !s.stopped {
		// A link that was not called may have the secret, whatever this one returned.
		return classOfEnd(s.end), fmt.Errorf("%w before %s was called", s.end, missing)
	}
	return decide(decisive).result()
}

// notCalled returns the name of a link that the end of the search left out, if any.
func (s *search) notCalled() string {
	if s.next < len(s.links) {
		return s.links[s.next].Name
	}
	for _, a := range s.attempts {
		if a.held {
			return a.Name
		}
	}
	return ""
}

func (a attempt) result() (hush.Class, error) { return a.class, a.err }

// decide returns the attempt that decides for all of them, which are in the order of
// the links: the first of the greatest weight among those that no store overrules.
func decide(attempts []attempt) attempt {
	decided, most := 0, 0
	for i, a := range attempts {
		if w := weight(a.class); w > most && !overruled(attempts, i) {
			decided, most = i, w
		}
	}
	return attempts[decided]
}

func weight(class hush.Class) int {
	switch class {
	case hush.ErrUnsupported:
		return 1
	case hush.ErrAbsent:
		return 2
	case hush.ErrNotFound:
		return 3
	case hush.ErrInvalidRef: // it ended the search, so no later attempt counts
		return 6
	}
	if outage(class) {
		return 5
	}
	return 4
}

// outage reports whether the store may have the secret but did not respond.
func outage(class hush.Class) bool {
	return class == hush.ErrThrottled || class == hush.ErrUnavailable || class == hush.ErrRefused
}

// overruled reports whether attempt i is that of a front, and its store, which is the
// next link without Front, participated in the search.
func overruled(attempts []attempt, i int) bool {
	if !attempts[i].Front {
		return false
	}
	for _, a := range attempts[i+1:] {
		if !a.Front {
			return !notParticipating(a.class)
		}
	}
	return false
}

// isFallback reports whether a secret that comes now is a fallback: whether a store
// among the first n attempts could not be asked.
func (s *search) isFallback(n int) bool {
	_, fresh := s.ref.Freshness()
	var state fallbackState
	for i := range s.skipped {
		state.add(hush.ErrUnavailable, s.links[i].Front, fresh)
	}
	for _, a := range s.attempts[:n] {
		state.add(a.class, a.Front, fresh)
	}
	return state.store
}

// A fallbackState tells, failure by failure in the order of the links, whether a link
// that no store overrules could not be asked.
type fallbackState struct {
	store bool // a store could not be asked
	front bool // nor a front, whose store has not had its turn
}

func (m *fallbackState) add(class hush.Class, front, fresh bool) {
	now := notAsked(class, fresh)
	switch {
	case front:
		m.front = m.front || now
		return
	case notParticipating(class): // the front was the only way to that store
		now = now || m.front
	}
	m.store, m.front = m.store || now, false
}

// notAsked reports whether class means that a store could not be asked. fresh says
// whether a fresh read was wanted.
func notAsked(class hush.Class, fresh bool) bool {
	return outage(class) || class == hush.ErrUnauthenticated || fresh && class == hush.ErrUnsupported
}
