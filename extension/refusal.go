package extension

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/hush-secrets/hush"
)

// badToken is part of what the extension says to a token that it does not take,
// with whatever status.
const badToken = "bad session token or header key"

// refusal says what an answer other than 200 means. Nothing of its body gets into
// the text but error types that we know.
func (p *Provider) refusal(a answer) *failure {
	if code, message := errorType(a.body); code != "" {
		return typed(a.status, code, message)
	}
	switch {
	case a.says(badToken), a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return unauthenticated(a.status)
	case a.status == http.StatusTooManyRequests:
		return fail(hush.ErrThrottled, "too many connections or calls (status 429)")
	case a.status >= 300 && a.status < 400:
		return fail(hush.ErrUnavailable, fmt.Sprintf("a redirect, which is not followed (status %d)", a.status))
	case a.status == http.StatusBadRequest && p.dialect == DialectLambda && !a.aboutRequest():
		return fail(hush.ErrRefused, "the extension does not say whether it is missing, denied or throttled (status 400)")
	}
	return fail(hush.ErrUnavailable, fmt.Sprintf("an answer that says nothing about the secret (status %d)", a.status))
}

// aboutRequest reports whether a 400 is about the request itself, in the agent's
// words: then nobody asked AWS.
func (a answer) aboutRequest() bool {
	for _, text := range []string{"Forwarded", "unknown parameter", "missing parameter", "missing secret ID", "invalid refreshNow", "MaxRolesExceeded"} {
		if bytes.HasPrefix(a.body, []byte(text)) {
			return true
		}
	}
	return false
}

func unauthenticated(status int) *failure {
	return fail(hush.ErrUnauthenticated, fmt.Sprintf("the token was not accepted (status %d)", status))
}

// errorType returns the type and the message of an error body, or "" for one that
// has no type.
func errorType(body []byte) (code, message string) {
	var members struct {
		Type    string `json:"__type"`
		Message string // in either case
	}
	// What cannot be unmarshalled leaves the members empty or half right.
	_ = json.Unmarshal(body, &members)
	if code = leadingType(body); code == "" {
		code = members.Type
	}
	return code, members.Message
}

// leadingType returns the type that begins an error body. The agent's second
// version does not escape the message after it, so the whole may not be JSON, or
// may hold a second type that a secret's name smuggled in.
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

// typed maps an error type: AWS's, with or without a name space before it and an
// address after it, the agent's own, and those of package agent.
func typed(status int, code, message string) *failure {
	if !strings.HasPrefix(code, "hush#") {
		code = code[strings.LastIndexByte(code, '#')+1:]
	}
	code, _, _ = strings.Cut(code, ":")
	class := classOf(code)
	if class == 0 {
		if status == http.StatusTooManyRequests {
			return fail(hush.ErrThrottled, "an error of a type that is not known (status 429)")
		}
		return fail(hush.ErrUnavailable, fmt.Sprintf("an error of a type that is not known (status %d)", status))
	}
	return fail(class, fmt.Sprintf("%s (status %d)%s", code, status, meaning(code, message)))
}

func classOf(code string) hush.Class {
	switch code {
	case "ResourceNotFoundException", "InvalidRequestException", "InvalidParameterException", "ValidationException":
		return hush.ErrNotFound
	case "AccessDeniedException", "AccessDenied", "DecryptionFailure", "DecryptionFailureException":
		return hush.ErrDenied
	case "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException", "RequestExpired":
		return hush.ErrUnauthenticated
	case "ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException",
		"TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException", "SlowDown":
		return hush.ErrThrottled
	case "InternalServiceError", "InternalServiceErrorException", "InternalFailure", "InternalServerError",
		"ServiceUnavailable", "ServiceUnavailableException", "TimeoutError", "ConnectionError":
		return hush.ErrUnavailable
	case "hush#Refused":
		return hush.ErrRefused
	case "hush#Absent":
		return hush.ErrAbsent
	case "hush#Unsupported":
		return hush.ErrUnsupported
	}
	return 0
}

// meaning says in our words what AWS's message adds to its type.
func meaning(code, message string) string {
	switch {
	case code == "AccessDeniedException" && strings.Contains(message, "KMS"):
		return ": it is the KMS key that denies"
	case code == "InvalidRequestException" && strings.Contains(message, "marked for deletion"):
		return ": it is marked for deletion"
	}
	return ""
}
