package direct

import (
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsfault"
)

// An APIError is what is kept of an answer that is no secret: enough to look it
// up in CloudTrail or to show it to AWS, and nothing that could quote anything.
type APIError struct {
	Code      string // AWS's code without its namespace; empty if the answer had none
	Status    int    // the HTTP status; 0 if unknown
	RequestID string // AWS's id of the request; empty if unknown

	class  hush.Class
	reason string
}

// Error returns what the answer means, in words of our own, and the facts.
func (e *APIError) Error() string {
	facts := awsfault.Answer{Code: e.Code, Status: e.Status, RequestID: e.RequestID}
	if text := facts.String(); text != "" {
		return e.reason + " (" + text + ")"
	}
	return e.reason
}

// lateSignature reports whether the answer is one that signing anew can change.
func (e *APIError) lateSignature() bool {
	if e == nil {
		return false
	}
	switch e.Code {
	case "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed":
		return true
	}
	return false
}

// apiError returns what err keeps of an answer, or nil if err is about a call that
// had none, or one that was not read to its end.
func apiError(err error) *APIError {
	answer, message := awsfault.Read(err)
	if answer == nil {
		return nil
	}
	return newAPIError(answer, message)
}

func newAPIError(answer *awsfault.Answer, message string) *APIError {
	e := &APIError{Code: answer.Code, Status: answer.Status, RequestID: answer.RequestID}
	e.class, e.reason = meaning(e.Code)
	if e.class == 0 {
		e.class, e.reason = meaningOfStatus(e.Status)
	}
	// The one look at a message chooses words, and nothing else.
	if message = strings.ToLower(message); e.class == hush.ErrDenied && (strings.Contains(message, "access to kms") || strings.Contains(message, "kms:")) {
		e.reason = "KMS does not allow the use of the secret's key"
	}
	return e
}

// meaning returns what a code means: GetSecretValue's own errors, and those that
// every AWS service has. An unknown code has the zero class.
func meaning(code string) (hush.Class, string) {
	switch code {
	case "ResourceNotFoundException":
		return hush.ErrNotFound, "no such secret, version or stage"
	case "InvalidRequestException":
		return hush.ErrNotFound, "the secret is marked for deletion, or has no value for this version and stage"
	case "InvalidParameterException", "ValidationException", "ValidationError":
		return hush.ErrNotFound, "Secrets Manager cannot have a secret or version of that name"
	case "AccessDeniedException", "AccessDenied", "NotAuthorized", "UnauthorizedOperation", "OptInRequired":
		return hush.ErrDenied, "no policy allows this caller to read the secret, or one forbids it"
	case "DecryptionFailure":
		return hush.ErrDenied, "KMS cannot decrypt the secret with its key"
	case "ExpiredToken", "ExpiredTokenException":
		return hush.ErrUnauthenticated, "the credentials have expired"
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken", "InvalidTokenException":
		return hush.ErrUnauthenticated, "AWS does not know the access key or the session token"
	case "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure":
		return hush.ErrUnauthenticated, "the signature is wrong: the secret access key, or this machine's clock"
	case "RequestExpired", "RequestTimeTooSkewed":
		return hush.ErrUnauthenticated, "the signature is too old: this machine's clock may be wrong"
	case "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature", "IncompleteSignatureException":
		return hush.ErrUnauthenticated, "the request was not signed, or not wholly"
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
		return hush.ErrUnavailable, "the answer cannot be read"
	}
	return hush.ErrUnavailable, "an answer that says nothing known"
}
