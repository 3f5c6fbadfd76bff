package direct

import (
	"net/http"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/smapi"
)

// An APIError is an error response of Secrets Manager. It has what CloudTrail and AWS
// Support need to find the request, and quotes no text of the response.
type APIError struct {
	Code      string // AWS's error code without its namespace; empty if there is none
	Status    int    // the HTTP status; 0 if unknown
	RequestID string // AWS's request ID; empty if unknown

	class  hush.Class
	reason string
}

// Error returns the reason in words, with the code, the status and the request ID.
func (e *APIError) Error() string {
	r := awsfault.Response{Code: e.Code, Status: e.Status, RequestID: e.RequestID}
	if text := r.String(); text != "" {
		return e.reason + " (" + text + ")"
	}
	return e.reason
}

// isLateSignature reports whether a new signature can succeed.
func (e *APIError) isLateSignature() bool {
	if e == nil {
		return false
	}
	switch e.Code {
	case "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed":
		return true
	}
	return false
}

// apiError returns the response in err, or nil if there was none or it is incomplete.
func apiError(err error) *APIError {
	r, message := awsfault.Read(err)
	if r == nil {
		return nil
	}
	return newAPIError(r, message)
}

func newAPIError(r *awsfault.Response, message string) *APIError {
	e := &APIError{Code: r.Code, Status: r.Status, RequestID: r.RequestID}
	e.class, e.reason = smapi.Meaning(e.Code, message)
	switch {
	case e.class == 0 && r.Throttled():
		e.class, e.reason = hush.ErrThrottled, "too many calls"
	case e.class == 0:
		e.class, e.reason = hush.ErrUnavailable, meaningOfStatus(e.Status)
	}
	return e
}

func meaningOfStatus(status int) string {
	switch {
	case status >= http.StatusInternalServerError:
		return "the service failed"
	case status >= http.StatusOK && status < http.StatusMultipleChoices:
		return "the response cannot be decoded"
	}
	return "unknown error"
}
