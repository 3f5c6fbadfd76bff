package chain

import (
	"errors"
	"strings"

	"github.com/hush-secrets/hush"
)

// A Failure is the cause of a chain's error: what every link said. It unwraps to
// the attempt that decided and to no other, so that errors.Is finds no class that
// did not decide: no "not found" while a store is down.
type Failure struct {
	attempts []*hush.Error
	decided  error
}

// Attempts returns the failures of the links that were asked, or that their
// breakers skipped, in order. Each is a *hush.Error whose Provider is the link's
// name.
func (f *Failure) Attempts() []error {
	attempts := make([]error, len(f.attempts))
	for i, attempt := range f.attempts {
		attempts[i] = attempt
	}
	return attempts
}

// Unwrap returns the attempt that decided or, where the caller's context ended
// the search between two links, that context's error.
func (f *Failure) Unwrap() error { return f.decided }

// Error lists the attempts as "name: class: cause". The Ref, which is the same
// for all, is in the chain's error.
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
