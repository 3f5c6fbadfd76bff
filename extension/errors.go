package extension

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/smapi"
)

// An APIError says why the extension or the agent did not return a secret. It is the
// cause of each error of [Provider.Get], except an invalid Ref, a missing field, and
// a context that ended before any response. It quotes no token and no response body.
type APIError struct {
	Reason Reason
	Code   string // error type in the response, without AWS's namespace; empty if it is missing or unknown
	Status int    // HTTP status; 0 without a complete response, and for ReasonNotReady

	class hush.Class
	text  string
}

// Error returns the reason in words, with Code and Status.
func (e *APIError) Error() string { return e.text }

// A Reason is what failed. The comment of each constant names the class of the
// error.
type Reason uint8

// The reasons. Up to ReasonNotConnected, no request was sent. After
// ReasonConnectionLost, the server responded.
const (
	_ Reason = iota

	// ReasonNotConfigured (ErrAbsent): the process does not run in Lambda, and has
	// neither an endpoint nor a token.
	ReasonNotConfigured
	// ReasonInvalidEndpoint (ErrUnavailable): the endpoint or the port is invalid.
	ReasonInvalidEndpoint
	// ReasonNoToken (ErrUnauthenticated): there is no token, or it cannot be read or
	// sent.
	ReasonNoToken
	// ReasonNoFreshReads (ErrUnsupported): the Lambda extension cannot bypass its
	// cache.
	ReasonNoFreshReads
	// ReasonNotConnected (ErrUnavailable): nothing accepts connections at the
	// endpoint.
	ReasonNotConnected

	// ReasonConnectionLost (ErrUnavailable): the connection broke before the end of
	// the response, or the response is not HTTP.
	ReasonConnectionLost
	// ReasonInvalidResponse (ErrUnavailable): the response is not one of the
	// extension or the agent, or its secret is not the requested one.
	ReasonInvalidResponse
	// ReasonTokenRejected (ErrUnauthenticated): the server did not accept the token.
	ReasonTokenRejected
	// ReasonNotReady (ErrRefused): the extension is starting, and serves no requests.
	ReasonNotReady
	// ReasonThrottled (ErrThrottled): the server has too many connections or
	// requests.
	ReasonThrottled
	// ReasonRefused (ErrRefused): the Lambda extension refused without a reason. The
	// secret may be missing, denied or throttled.
	ReasonRefused
	// ReasonStoreError: the server accepted the token, and its store failed. Code
	// decides the class, such as ErrNotFound or ErrDenied.
	ReasonStoreError
)

var classes = [...]hush.Class{
	ReasonNotConfigured:   hush.ErrAbsent,
	ReasonInvalidEndpoint: hush.ErrUnavailable,
	ReasonNoToken:         hush.ErrUnauthenticated,
	ReasonNoFreshReads:    hush.ErrUnsupported,
	ReasonNotConnected:    hush.ErrUnavailable,
	ReasonConnectionLost:  hush.ErrUnavailable,
	ReasonInvalidResponse: hush.ErrUnavailable,
	ReasonTokenRejected:   hush.ErrUnauthenticated,
	ReasonNotReady:        hush.ErrRefused,
	ReasonThrottled:       hush.ErrThrottled,
	ReasonRefused:         hush.ErrRefused,
	ReasonStoreError:      hush.ErrUnavailable,
}

// unsent returns an APIError without a response.
func unsent(reason Reason, text string) *APIError {
	return &APIError{Reason: reason, class: classes[reason], text: text}
}

// responded returns an APIError of a response with this status.
func responded(reason Reason, status int, text string) *APIError {
	return &APIError{Reason: reason, Status: status, class: classes[reason], text: fmt.Sprintf("%s (status %d)", text, status)}
}

// notReady has the class ErrRefused and not ErrUnavailable, because the server
// responds: a circuit breaker stays closed.
func notReady() *APIError { return unsent(ReasonNotReady, "the extension is not ready to serve") }

// wrap returns the error of a call for ref. If a context ended the call, the error
// says so: caller, or limited with the limit of the call. A server that is not ready
// keeps its class.
func (e *APIError) wrap(caller, limited context.Context, ref hush.Ref) error {
	var last hush.Class
	if e.Reason == ReasonNotReady {
		last = e.class
	}
	if class, cause, ok := limit.Cut(caller, limited, last); ok && e.Status == 0 {
		if last != 0 {
			cause = fmt.Errorf("%w: %w", e, cause)
		}
		return hush.NewError(source, ref, class, cause)
	}
	return hush.NewError(source, ref, e.class, e)
}

// badToken is a part of the extension's response to an invalid token, with any status.
const badToken = "bad session token or header key"

func tokenRejected(status int) *APIError {
	return responded(ReasonTokenRejected, status, "the token was not accepted")
}

// apiError returns the error of a response whose status is not 200.
func (p *Provider) apiError(r response) *APIError {
	if code, message := errorType(r.body); code != "" {
		return storeError(r.status, code, message)
	}
	switch {
	case r.contains(badToken), r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		return tokenRejected(r.status)
	case r.status == http.StatusTooManyRequests:
		return responded(ReasonThrottled, r.status, "too many connections or requests")
	case r.status >= 300 && r.status < 400:
		return responded(ReasonInvalidResponse, r.status, "the response is a redirect, which is not followed")
	case r.status == http.StatusBadRequest && p.dialect == DialectLambda && !r.aboutRequest():
		return responded(ReasonRefused, r.status, "the extension does not say whether the secret is missing, denied or throttled")
	}
	return responded(ReasonInvalidResponse, r.status, "the response has neither a secret nor a known error")
}

// aboutRequest reports whether a 400 is the agent's response to an invalid request,
// which it did not send to AWS.
func (r response) aboutRequest() bool {
	for _, text := range []string{"Forwarded", "unknown parameter", "missing parameter", "missing secret ID", "invalid refreshNow", "MaxRolesExceeded"} {
		if bytes.HasPrefix(r.body, []byte(text)) {
			return true
		}
	}
	return false
}

// errorType returns the type and the message of an error body. The type is empty if
// the body has none.
func errorType(body []byte) (code, message string) {
	var members struct {
		Type    string `json:"__type"`
		Message string // in either case
	}
	// A body that is not valid JSON leaves the members empty or incomplete.
	_ = json.Unmarshal(body, &members)
	if code = leadingType(body); code == "" {
		code = members.Type
	}
	return code, members.Message
}

// leadingType returns the type at the start of an error body. The agent's second
// version does not escape the message after the type. Its body may therefore be
// invalid JSON, or have a second type that is part of a secret's name.
func leadingType(body []byte) string {
	for _, token := range [...]string{"{", `"__type"`, ":", `"`} {
		var ok bool
		if body, ok = bytes.CutPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte(token)); !ok {
			return ""
		}
	}
	code, _, ok := bytes.Cut(body, []byte(`"`))
	if !ok {
		return ""
	}
	return string(code)
}

// storeError returns the error of a response with an error type: a type of AWS, of the
// agent or of package agent. AWS's types may have a namespace and a suffix.
func storeError(status int, code, message string) *APIError {
	if !strings.HasPrefix(code, "hush#") {
		code = code[strings.LastIndexByte(code, '#')+1:]
	}
	code, _, _ = strings.Cut(code, ":")
	class, reason := smapi.Meaning(code, message)
	switch code {
	case "TimeoutError", "ConnectionError":
		class, reason = hush.ErrUnavailable, "the agent has no connection to AWS"
	case "hush#Refused":
		class, reason = hush.ErrRefused, "the agent's store refused without a reason"
	case "hush#Absent":
		class, reason = hush.ErrAbsent, "the agent's store is not configured"
	case "hush#Unsupported":
		class, reason = hush.ErrUnsupported, "the agent's store does not support this request"
	}
	if class == 0 {
		e := responded(ReasonStoreError, status, "the response has an unknown error type")
		if status == http.StatusTooManyRequests {
			e.class = hush.ErrThrottled
		}
		return e
	}
	return &APIError{ReasonStoreError, code, status, class, fmt.Sprintf("%s (%s, status %d)", reason, code, status)}
}
