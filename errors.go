package hush

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Class says what a failure means for the caller, and so what a chain and a
// cache do about it. A Class is itself an error: errors.Is(err, hush.ErrNotFound)
// reads as usual, and a Provider may return a bare Class.
type Class uint8

// The classes. Every failure has exactly one of them; ClassOf tells which.
const (
	_ Class = iota

	// ErrNotFound: the store answered that there is no such secret, version,
	// stage or field, or that it cannot have one of that name.
	ErrNotFound
	// ErrDenied: the store answered that this caller may not have it.
	ErrDenied
	// ErrUnauthenticated: our own credential is missing, wrong or expired.
	ErrUnauthenticated
	// ErrThrottled: the store answered that there were too many calls.
	ErrThrottled
	// ErrUnavailable: no usable answer came: a refused connection, a time limit
	// of our own, a server's error, garbage, a sealed store.
	ErrUnavailable
	// ErrRefused is a kind of ErrUnavailable: the store responded, and refused
	// without a reason, such as the Lambda extension with its generic 400, or
	// because it has only just started.
	ErrRefused
	// ErrAbsent is a kind of ErrUnavailable: the store is not here, because this
	// is not Lambda or because no credentials or region are configured.
	ErrAbsent
	// ErrUnsupported: the provider cannot honour a part of the Ref. It also
	// matches errors.ErrUnsupported.
	ErrUnsupported
	// ErrInvalidRef: the Ref itself is malformed. It comes from ParseRef and
	// Ref.Validate alone.
	ErrInvalidRef
	// ErrInvalidValue: the secret was read, and its value does not have the form
	// that the caller needs, such as text where Load fills an int. Only Load and
	// Secret.Decode return it. Another attempt fails again until the secret changes.
	ErrInvalidValue
	// ErrRejected is the caller's word: the target did not accept this secret.
	ErrRejected
	// ErrCanceled: the caller's context ended. It wraps ctx.Err().
	ErrCanceled
)

var classTexts = [...]string{
	ErrNotFound:        "not found",
	ErrDenied:          "denied",
	ErrUnauthenticated: "unauthenticated",
	ErrThrottled:       "throttled",
	ErrUnavailable:     "unavailable",
	ErrRefused:         "refused",
	ErrAbsent:          "absent",
	ErrUnsupported:     "unsupported",
	ErrInvalidRef:      "invalid reference",
	ErrInvalidValue:    "invalid value",
	ErrRejected:        "rejected",
	ErrCanceled:        "canceled",
}

// known returns c, or ErrUnavailable for the zero Class and for numbers that are
// no class.
func (c Class) known() Class {
	if c == 0 || int(c) >= len(classTexts) {
		return ErrUnavailable
	}
	return c
}

// Error returns the class as a word or two: "not found".
func (c Class) Error() string { return classTexts[c.known()] }

// Is makes ErrRefused and ErrAbsent match ErrUnavailable, and ErrUnsupported
// match errors.ErrUnsupported.
func (c Class) Is(target error) bool {
	switch target {
	case ErrUnavailable:
		return c.known() == ErrUnavailable || c == ErrRefused || c == ErrAbsent
	case errors.ErrUnsupported:
		return c == ErrUnsupported
	}
	return false
}

// An Error says who failed, about what, how, and why. It unwraps to its class
// and to its cause. A nil *Error, which a careless Provider returns as an error
// that is not nil, reads as ErrUnavailable.
type Error struct {
	Provider string // who failed: a backend's or a link's name
	Ref      Ref    // what was asked for, without its freshness
	Class    Class  // zero reads as ErrUnavailable
	Err      error  // why; may be nil. Never quotes a secret, a token or a body
}

// NewError returns an *Error about ref, of which it keeps everything but the
// freshness. cause may be nil where the class says it all.
func NewError(provider string, ref Ref, class Class, cause error) *Error {
	ref.freshness = nil
	return &Error{Provider: provider, Ref: ref, Class: class, Err: cause}
}

// Error returns `provider: "ref": class: cause`, leaving out what is not known.
func (e *Error) Error() string {
	if e == nil {
		return ErrUnavailable.Error()
	}
	var b strings.Builder
	if e.Provider != "" {
		b.WriteString(e.Provider + ": ")
	}
	if e.Ref != (Ref{}) {
		b.WriteString(quote(e.Ref.String()) + ": ")
	}
	b.WriteString(e.Class.Error())
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the class and, if there is one, the cause.
func (e *Error) Unwrap() []error {
	switch {
	case e == nil:
		return []error{ErrUnavailable}
	case e.Err == nil:
		return []error{e.Class.known()}
	}
	return []error{e.Class.known(), e.Err}
}

// ClassOf returns the one class of err: that of the outermost *Error in its
// tree, else a bare Class in it, else ErrUnavailable. A nil err has the zero
// Class.
func ClassOf(err error) Class {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		return e.Class.known()
	}
	if c, ok := errors.AsType[Class](err); ok {
		return c.known()
	}
	return ErrUnavailable
}

// quote is %q, shortened: a name that was refused for its length is not worth
// ten kilobytes of log.
func quote(s string) string {
	const most = 256
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
}
