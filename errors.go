package hush

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Class is the kind of a failure. It decides how a caller, a chain and a cache
// react. A Class is itself an error, so that errors.Is(err, hush.ErrNotFound) works
// and a Provider may return a Class alone.
type Class uint8

// The classes. Every failure has exactly one of them, which ClassOf returns.
const (
	_ Class = iota

	// ErrNotFound means that the store has no such secret, version, stage or field,
	// or that the name is not valid in the store.
	ErrNotFound
	// ErrDenied means that the store does not allow the caller to read the secret.
	ErrDenied
	// ErrUnauthenticated means that the credential of the program is missing,
	// wrong or expired.
	ErrUnauthenticated
	// ErrThrottled means that the store received too many requests.
	ErrThrottled
	// ErrUnavailable means that there was no usable response: the connection was
	// refused, a timeout passed, the server failed, the response was malformed or
	// the store is sealed.
	ErrUnavailable
	// ErrRefused is a kind of ErrUnavailable. The store responded and gave no
	// reason for its refusal, such as the Lambda extension with its generic status
	// 400, or the store has just started and is not ready.
	ErrRefused
	// ErrAbsent is a kind of ErrUnavailable. The store does not exist on this
	// platform, because the program does not run in Lambda or because no
	// credentials or no region are configured.
	ErrAbsent
	// ErrUnsupported means that the store does not support a part of the Ref. It
	// also matches errors.ErrUnsupported.
	ErrUnsupported
	// ErrInvalidRef means that the Ref is malformed. It is the result of ParseRef,
	// Ref.Validate or a tag of Load, and never the response of a store.
	ErrInvalidRef
	// ErrInvalidValue means that the secret was read, but its value does not have
	// the required form, such as text for an int field of Load. Only Load and
	// Secret.Decode return it. A retry fails until the secret changes.
	ErrInvalidValue
	// ErrRejected means that the target of the secret, such as a database, did not
	// accept it. The function that a caller passes to Use returns it.
	ErrRejected
	// ErrCanceled means that the context of the caller ended. The error also wraps
	// ctx.Err().
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

// orUnavailable returns c if it is one of the classes, or ErrUnavailable.
func (c Class) orUnavailable() Class {
	if c == 0 || int(c) >= len(classTexts) {
		return ErrUnavailable
	}
	return c
}

// Error returns the name of the class, such as "not found".
func (c Class) Error() string { return classTexts[c.orUnavailable()] }

// Is reports whether c matches target: ErrRefused and ErrAbsent match
// ErrUnavailable, and ErrUnsupported matches errors.ErrUnsupported.
func (c Class) Is(target error) bool {
	switch target {
	case ErrUnavailable:
		return c.orUnavailable() == ErrUnavailable || c == ErrRefused || c == ErrAbsent
	case errors.ErrUnsupported:
		return c == ErrUnsupported
	}
	return false
}

// An Error is a failure to read a secret. It unwraps to its Class and to Err. A nil
// *Error in an error interface has the class ErrUnavailable.
type Error struct {
	Provider string // name of the store, or of the link of a chain, that failed
	Ref      Ref    // the requested secret, without its freshness
	Class    Class  // zero means ErrUnavailable
	Err      error  // the cause; may be nil; contains no secret, token or body
}

// NewError returns an *Error. It drops the freshness of ref. cause may be nil.
func NewError(provider string, ref Ref, class Class, cause error) *Error {
	ref.freshness = nil
	return &Error{Provider: provider, Ref: ref, Class: class, Err: cause}
}

// Error returns `provider: "ref": class: cause`, without the parts that are empty.
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

// Unwrap returns the class, and the cause unless it is nil.
func (e *Error) Unwrap() []error {
	switch {
	case e == nil:
		return []error{ErrUnavailable}
	case e.Err == nil:
		return []error{e.Class.orUnavailable()}
	}
	return []error{e.Class.orUnavailable(), e.Err}
}

// ClassOf returns the class of err. That is the class of the outermost *Error in the
// tree of err, or else the first Class in the tree, or else ErrUnavailable. The
// class of a nil error is 0.
func ClassOf(err error) Class {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		return e.Class.orUnavailable()
	}
	if c, ok := errors.AsType[Class](err); ok {
		return c.orUnavailable()
	}
	return ErrUnavailable
}

// quote quotes s as %q does. It truncates a long s, so that a name that is too long
// does not fill the log.
func quote(s string) string {
	const most = 256
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
}
