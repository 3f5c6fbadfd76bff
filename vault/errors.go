package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/netfault"
)

// An APIError is what is kept of an answer of Vault that is no secret: its status.
// Vault's own messages can quote what they were sent, and are dropped.
type APIError struct {
	Status int // the HTTP status

	reason string
}

// Error returns what the answer means, in words of our own, and the status.
func (e *APIError) Error() string { return fmt.Sprintf("%s (status %d)", e.reason, e.Status) }

// A failure is the class and the cause of a call that failed. It is what the
// package's functions hand up to the one that knows the Ref.
type failure struct {
	class hush.Class
	cause error
}

func fail(class hush.Class, format string, args ...any) *failure {
	return &failure{class, fmt.Errorf(format, args...)}
}

// Error returns the cause; nobody outside the package sees a failure.
func (f *failure) Error() string { return f.cause.Error() }

func (f *failure) Unwrap() error { return f.cause }

// judge returns the class and the cause of a call that ended with err, whose
// context was caller, limited to limited, and whose requests x saw answered.
func judge(caller, limited context.Context, x *exchange, err error) *failure {
	if known, ok := errors.AsType[*failure](err); ok {
		return known
	}
	if answer, ok := errors.AsType[*api.ResponseError](err); ok {
		return answered(answer.StatusCode)
	}
	if told, ok := errors.AsType[*hush.Error](err); ok {
		return &failure{hush.ClassOf(told), told.Err}
	}
	last := int(x.last.Load())
	if class, cause, ok := limit.Cut(caller, limited, classOf(last)); ok {
		if classOf(last) != 0 {
			cause = fmt.Errorf("%w; before it: %w", cause, answered(last).cause)
		}
		return &failure{class, cause}
	}
	if astray, ok := errors.AsType[*redirectError](err); ok {
		return &failure{hush.ErrUnavailable, astray}
	}
	if errors.Is(err, errTooLarge) {
		return fail(hush.ErrUnavailable, "%w", errTooLarge)
	}
	return &failure{hush.ErrUnavailable, netfault.Reason(err)}
}

// answered returns what an answer of that status means.
func answered(status int) *failure {
	return &failure{classOf(status), &APIError{Status: status, reason: meaning(status)}}
}

// classOf returns the class of an answer; zero for none, and for one that is no
// failure.
func classOf(status int) hush.Class {
	switch {
	case status < http.StatusMultipleChoices:
		return 0
	case status == http.StatusNotFound:
		return hush.ErrNotFound
	case status == http.StatusForbidden:
		return hush.ErrDenied
	case status == http.StatusUnauthorized:
		return hush.ErrUnauthenticated
	case status == http.StatusTooManyRequests:
		return hush.ErrThrottled
	case status == http.StatusBadRequest, status == http.StatusMethodNotAllowed:
		return hush.ErrRefused
	}
	return hush.ErrUnavailable
}

func meaning(status int) string {
	switch status {
	case http.StatusNotFound:
		return "no such secret"
	case http.StatusForbidden:
		return "no policy of the token allows it, or one forbids it"
	case http.StatusUnauthorized:
		return "the token is not accepted"
	case http.StatusTooManyRequests:
		return "too many calls: a quota of Vault is used up"
	case http.StatusBadRequest:
		return "Vault does not take the request: the path, or the role that it names"
	case http.StatusMethodNotAllowed:
		return "nothing at this path can be read"
	case http.StatusPreconditionFailed:
		return "this node has not seen yet what the token has"
	case http.StatusServiceUnavailable:
		return "Vault is sealed or not ready"
	}
	if status >= http.StatusInternalServerError {
		return "Vault failed"
	}
	return "an answer that says nothing known"
}

// refused reports whether err is an answer that asking again does not change.
func refused(err error) bool {
	answer, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		return false
	}
	switch answer.StatusCode {
	case http.StatusPreconditionFailed, http.StatusTooManyRequests:
		return false
	}
	return answer.StatusCode >= http.StatusBadRequest && answer.StatusCode < http.StatusInternalServerError
}

func forbidden(err error) bool {
	answer, ok := errors.AsType[*api.ResponseError](err)
	return ok && answer.StatusCode == http.StatusForbidden
}
