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
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// An APIError is what is kept of an answer of Vault that is no secret: its status.
// Vault's own messages can quote what they were sent, and are dropped.
type APIError struct {
	Status int    // the HTTP status
	Mount  string // the mount, if Vault does not let the token see it; else empty

	reason string
}

// Error returns what the answer means, in words of our own, and the status.
func (e *APIError) Error() string { return fmt.Sprintf("%s (status %d)", e.reason, e.Status) }

// classify returns err with its class. caller is the context of the call, limited is
// caller with the call's timeout, and statuses has the responses to the call's requests.
func classify(caller, limited context.Context, statuses *route.StatusRecorder, err error) *hush.Error {
	if e, ok := errors.AsType[*hush.Error](err); ok {
		return e
	}
	if response, ok := errors.AsType[*api.ResponseError](err); ok {
		return statusError(response.StatusCode)
	}
	last := statuses.Last()
	if class, cause, ok := limit.Cut(caller, limited, classOf(last)); ok {
		if classOf(last) != 0 {
			cause = fmt.Errorf("%w; before that: %w", cause, statusError(last).Err)
		}
		return call.Fail(class, cause)
	}
	if e, ok := errors.AsType[*route.Error](err); ok {
		return call.Fail(hush.ErrUnavailable, e)
	}
	return call.Fail(hush.ErrUnavailable, netfault.Reason(err))
}

// statusError returns the error for a response with that status.
func statusError(status int) *hush.Error {
	return call.Fail(classOf(status), &APIError{Status: status, reason: reasonOf(status)})
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

func reasonOf(status int) string {
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
func isRefused(err error) bool {
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

func isForbidden(err error) bool { return call.HasStatus(err, http.StatusForbidden) }
