package chain

import (
	"slices"

	"github.com/hush-secrets/hush"
)

// An outcome is what a link said. The zero class is an answer.
type outcome struct {
	class hush.Class
	front bool
}

// decide returns the index of the outcome that decides for all of them, which are
// failures in the order of the links: of those that no store overrules, the first
// of the greatest weight.
func decide(outcomes []outcome) int {
	decided, most := 0, 0
	for i, o := range outcomes {
		if w := weight(o.class); w > most && !overruled(outcomes, i) {
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

// overruled reports whether outcome i is a front's and its store, the next one
// that is no front, said anything but that it is absent or cannot honour the Ref.
func overruled(outcomes []outcome, i int) bool {
	if !outcomes[i].front {
		return false
	}
	for _, o := range outcomes[i+1:] {
		if !o.front {
			return o.class != hush.ErrAbsent && o.class != hush.ErrUnsupported
		}
	}
	return false
}

// fellBack reports whether an answer after these failures is a fallback: whether
// one of them, not overruled, is of a link that could not be asked. A front whose
// store is absent was the only way to that store, so it counts. fresh says whether
// a fresh read was wanted.
func fellBack(failures []outcome, fresh bool) bool {
	// Fronts right before the answer are overruled by it.
	outcomes := slices.Concat(failures, []outcome{{}})
	for i, o := range failures {
		if notAsked(o.class, fresh) && !overruled(outcomes, i) {
			return true
		}
	}
	return false
}

func notAsked(class hush.Class, fresh bool) bool {
	return outage(class) || class == hush.ErrUnauthenticated || fresh && class == hush.ErrUnsupported
}
