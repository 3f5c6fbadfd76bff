package chain

import "github.com/hush-secrets/hush"

// A Policy says whether a search goes on to the next link after a link failed with
// class, or ends there. It is called by many goroutines at once.
//
// It is not asked where there is nothing to choose: ErrAbsent, ErrUnsupported and
// the failure of a Front always go on; ErrInvalidRef and ErrCanceled always end
// the search. A store that its breaker skipped has failed with ErrUnavailable.
type Policy func(class hush.Class) bool

// AnyFailure is the default Policy: every failure goes on to the next link.
func AnyFailure(hush.Class) bool { return true }

// OutagesOnly is a Policy for a chain whose later stores are trusted less. Only a
// store that could not answer goes on: what it said (ErrNotFound, ErrDenied,
// ErrRefused), and a credential of ours that it does not accept
// (ErrUnauthenticated), ends the search.
func OutagesOnly(class hush.Class) bool {
	return class == hush.ErrThrottled || class == hush.ErrUnavailable
}

// goesOn reports whether the next link is asked after l failed with class.
func (l *link) goesOn(class hush.Class) bool {
	switch {
	case class == hush.ErrInvalidRef:
		return false
	case l.Front, quiet(class):
		return true
	}
	return l.Policy(class)
}
