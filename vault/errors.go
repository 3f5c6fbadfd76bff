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

var errUnreadable = call.Failf(hush.ErrUnavailable, "the response is not valid")

// An APIError is an error response of Vault. Vault's messages are dropped, because they
// can quote the request.
type APIError struct {
	Status int    // the HTTP status
	Mount  string // the mount, if the token must not read its version; otherwise empty

	reason string
}

// Error returns the meaning of the response and its status.
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
	last := statusError(statuses.Last())
	if class, cause, ok := limit.Cut(caller, limited, last.Class); ok {
		if last.Class != 0 {
			cause = fmt.Errorf("%w; before that: %w", cause, last.Err)
		}
		return call.Fail(class, cause)
	}
	if e, ok := errors.AsType[*route.Error](err); ok {
		return call.Fail(hush.ErrUnavailable, e)
	}
	return call.Fail(hush.ErrUnavailable, netfault.Reason(err))
}

// statusError returns the error for a response with that status. Its class is zero if the
// status is not an error.
func statusError(status int) *hush.Error {
	class, reason := hush.ErrUnavailable, "unexpected response"
	switch {
	case status < http.StatusMultipleChoices:
		class = 0
	case status == http.StatusNotFound:
		class, reason = hush.ErrNotFound, "no such secret"
	case status == http.StatusForbidden:
		class, reason = hush.ErrDenied, "no policy of the token allows this, or a policy forbids it"
	case status == http.StatusUnauthorized:
		class, reason = hush.ErrUnauthenticated, "Vault does not accept the token"
	case status == http.StatusTooManyRequests:
		class, reason = hush.ErrThrottled, "too many requests: a quota of Vault is exhausted"
	case status == http.StatusBadRequest:
		class, reason = hush.ErrRefused, "Vault rejects the request: check the path and the role in it"
	case status == http.StatusMethodNotAllowed:
		class, reason = hush.ErrRefused, "this path cannot be read"
	case status == http.StatusPreconditionFailed:
		reason = "this node is not up to date yet"
	case status == http.StatusServiceUnavailable:
		reason = "Vault is sealed or not ready"
	case status >= http.StatusInternalServerError:
		reason = "Vault failed"
	}
	return call.Fail(class, &APIError{Status: status, reason: reason})
}

// isRefused reports whether err is a response that a retry does not change.
func isRefused(err error) bool {
	response, ok := errors.AsType[*api.ResponseError](err)
	return ok && response.StatusCode/100 == 4 &&
		response.StatusCode != http.StatusPreconditionFailed && response.StatusCode != http.StatusTooManyRequests
}

func isForbidden(err error) bool { return call.HasStatus(err, http.StatusForbidden) }
