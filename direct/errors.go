package direct

import (
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsfault"
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
	e.class, e.reason = meaning(e.Code)
	if e.class == 0 {
		e.class, e.reason = meaningOfStatus(e.Status)
	}
	// The message selects a text, and decides nothing else.
	if message = strings.ToLower(message); e.class == hush.ErrDenied && (strings.Contains(message, "access to kms") || strings.Contains(message, "kms:")) {
		e.reason = "KMS does not allow the use of the secret's key"
	}
	return e
}

// meaning returns the class and the meaning of the error codes of GetSecretValue and of
// every AWS service. An unknown code has the class 0.
func meaning(code string) (hush.Class, string) {
	switch code {
	case "ResourceNotFoundException":
		return hush.ErrNotFound, "no such secret, version or stage"
	case "InvalidRequestException":
		return hush.ErrNotFound, "the secret is marked for deletion, or has no value for this version and stage"
	case "InvalidParameterException", "ValidationException", "ValidationError":
		return hush.ErrNotFound, "Secrets Manager does not allow this name or version"
	case "AccessDeniedException", "AccessDenied", "NotAuthorized", "UnauthorizedOperation", "OptInRequired":
		return hush.ErrDenied, "no policy allows this caller to read the secret, or a policy denies it"
	case "DecryptionFailure":
		return hush.ErrDenied, "KMS cannot decrypt the secret with its key"
	case "ExpiredToken", "ExpiredTokenException":
		return hush.ErrUnauthenticated, "the credentials have expired"
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken", "InvalidTokenException":
		return hush.ErrUnauthenticated, "AWS does not recognize the access key or the session token"
	case "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure":
		return hush.ErrUnauthenticated, "the signature is invalid; check the secret access key and this machine's clock"
	case "RequestExpired", "RequestTimeTooSkewed":
		return hush.ErrUnauthenticated, "the signature has expired; check this machine's clock"
	case "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature", "IncompleteSignatureException":
		return hush.ErrUnauthenticated, "the signature is missing or incomplete"
	case "InternalServiceError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException":
		return hush.ErrUnavailable, "the service failed"
	}
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return hush.ErrThrottled, "too many calls"
	}
	return 0, ""
}

func meaningOfStatus(status int) (hush.Class, string) {
	switch {
	case status == http.StatusTooManyRequests:
		return hush.ErrThrottled, "too many calls"
	case status >= http.StatusInternalServerError:
		return hush.ErrUnavailable, "the service failed"
	case status >= http.StatusOK && status < http.StatusMultipleChoices:
		return hush.ErrUnavailable, "the response cannot be decoded"
	}
	return hush.ErrUnavailable, "unknown error"
}
