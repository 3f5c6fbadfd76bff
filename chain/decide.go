package chain

import "github.com/hush-secrets/hush"

// An attempt is what came of a link that did not answer.
type attempt struct {
	*link
	class hush.Class
	err   *hush.Error // nil if its breaker skipped it: made when it is wanted
}

// decide returns the index of the attempt that decides for all of them, which are
// in the order of the links: of those that no store overrules, the first of the
// greatest weight.
func decide(attempts []attempt) int {
	decided, most := 0, 0
	for i, a := range attempts {
		if w := weight(a.class); w > most && !overruled(attempts, i) {
			decided, most = i, w
		}
	}
	return decided
}

func weight(class hush.Class) int {
	switch class {
	case hush.ErrUnsupported:
		return 1
	case hush.ErrAbsent:
		return 2
	case hush.ErrNotFound:
		return 3
	case hush.ErrInvalidRef: // ended the search, so there is no later one
		return 6
	}
	if outage(class) {
		return 5
	}
	return 4
}

// outage reports whether the store might have the secret, and gave no answer.
func outage(class hush.Class) bool {
	return class == hush.ErrThrottled || class == hush.ErrUnavailable || class == hush.ErrRefused
}

// overruled reports whether attempt i is a front's and its store, the next one that
// is no front, said anything but that it is absent or cannot honour the Ref.
func overruled(attempts []attempt, i int) bool {
	if !attempts[i].Front {
		return false
	}
	for _, a := range attempts[i+1:] {
		if !a.Front {
			return !quiet(a.class)
		}
	}
	return false
}

// missed says, as links fail one after the other, whether an answer that comes now
// is a fallback: whether some link that no store overrules could not be asked.
type missed struct {
	store bool // one could not
	front bool // nor a front, and its store has not had its say
}

func (m *missed) add(class hush.Class, front, fresh bool) {
	now := notAsked(class, fresh)
	switch {
	case front:
		m.front = m.front || now
		return
	case quiet(class): // the front was the only way to that store
		now = now || m.front
	}
	m.store, m.front = m.store || now, false
}

// notAsked reports whether class says that a store could not be asked. fresh says
// whether a fresh read was wanted.
func notAsked(class hush.Class, fresh bool) bool {
	return outage(class) || class == hush.ErrUnauthenticated || fresh && class == hush.ErrUnsupported
}
