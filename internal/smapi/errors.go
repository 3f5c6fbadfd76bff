package smapi

import (
	"strings"

	"github.com/hush-secrets/hush"
)

// Meaning returns the class and the meaning of an error code without its namespace. It
// knows the codes of GetSecretValue and of every AWS service. An unknown code has the
// class 0. The message distinguishes two meanings of a code. The result does not quote it.
//
// Sources: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
// and https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html.
func Meaning(code, message string) (hush.Class, string) {
	switch code {
	case "ResourceNotFoundException":
		return hush.ErrNotFound, "no such secret, version or stage"
	case "InvalidRequestException":
		return hush.ErrNotFound, "the secret is marked for deletion, or has no value for this version and stage"
	case "InvalidParameterException", "ValidationException", "ValidationError":
		return hush.ErrNotFound, "Secrets Manager does not allow this name or version"
	case "AccessDeniedException", "AccessDenied", "NotAuthorized", "UnauthorizedOperation", "OptInRequired":
		if message = strings.ToLower(message); strings.Contains(message, "access to kms") || strings.Contains(message, "kms:") {
			return hush.ErrDenied, "KMS does not allow the use of the secret's key"
		}
		return hush.ErrDenied, "no policy allows this caller to read the secret, or a policy denies it"
	case "DecryptionFailure", "DecryptionFailureException":
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
	case "ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException",
		"TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException", "SlowDown":
		return hush.ErrThrottled, "too many calls"
	case "InternalServiceError", "InternalServiceErrorException", "InternalFailure", "InternalServerError",
		"ServiceUnavailable", "ServiceUnavailableException":
		return hush.ErrUnavailable, "the service failed"
	}
	return 0, ""
}
