package chain

import "github.com/hush-secrets/hush"

// A Policy reports whether a search continues with the next link after a link failed with
// class. Many goroutines call a Policy at the same time.
//
// A Policy is called only where there is a choice: the search always continues after
// ErrAbsent, ErrUnsupported and the failure of a Front, and it always ends after
// ErrInvalidRef and ErrCanceled. A store that its breaker holds back has failed with
// ErrUnavailable. If it is called after all, the Policy is called for the result.
type Policy func(class hush.Class) bool

// AnyFailure is the default Policy: the search continues after every failure.
func AnyFailure(hush.Class) bool { return true }

// OutagesOnly is a Policy for a chain whose later stores are trusted less. The search
// continues only if the store could not respond. It ends at a response (ErrNotFound,
// ErrDenied, ErrRefused) and if the store does not accept our credential
// (ErrUnauthenticated).
func OutagesOnly(class hush.Class) bool {
	return class == hush.ErrThrottled || class == hush.ErrUnavailable
}

// goesOn reports whether the search continues after l failed with class.
func (l *link) goesOn(class hush.Class) bool {
	switch {
	case class == hush.ErrInvalidRef:
		return false
	case l.Front, notParticipating(class):
		return true
	}
	return l.Policy(class)
}
