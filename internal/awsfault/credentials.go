package awsfault

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/hush-secrets/hush"
)

// ErrNoCredentials is for a program in which nobody configured any.
var ErrNoCredentials = errors.New("no AWS credentials are configured, and no instance metadata service has any")

// A CredentialsError means that a configured source returned no credentials, so that no
// request was sent to the service.
type CredentialsError struct {
	source string
	cause  error
}

func (e *CredentialsError) Error() string {
	return fmt.Sprintf("no AWS credentials to be had from %s: %s", e.source, e.cause)
}

func (e *CredentialsError) Unwrap() error { return e.cause }

// Credentials returns the class and the cause of source's failure err. It keeps
// nothing of err's text: a source may be anything, down to a program's output.
func Credentials(source aws.CredentialsProvider, err error) (hush.Class, error) {
	answer, _ := Read(err)
	if OnlyMetadata(source) && (answer == nil || answer.Status == http.StatusNotFound) {
		return hush.ErrAbsent, ErrNoCredentials
	}
	switch {
	case answer == nil && unreached(err):
		return hush.ErrUnavailable, &CredentialsError{origin(source), Network(err)}
	case answer == nil:
		return hush.ErrUnauthenticated, &CredentialsError{origin(source), Network(err)}
	}
	// An outage of the source is one of ours; any other answer is about what is
	// configured.
	class := hush.ErrUnauthenticated
	switch {
	case answer.Throttled():
		class = hush.ErrThrottled
	case answer.Status >= http.StatusInternalServerError:
		class = hush.ErrUnavailable
	}
	return class, &CredentialsError{origin(source), errors.New("it answered " + cmp.Or(answer.String(), "nothing known"))}
}

// OnlyMetadata reports whether source is the instance metadata service and no
// more, which is what the SDK falls back to when nobody configured anything.
func OnlyMetadata(source aws.CredentialsProvider) bool {
	named, ok := source.(aws.CredentialProviderSource)
	return ok && slices.Equal(named.ProviderSources(), []aws.CredentialSource{aws.CredentialSourceIMDS})
}

// origin names the last of the sources that source goes through.
func origin(source aws.CredentialsProvider) string {
	named, ok := source.(aws.CredentialProviderSource)
	if !ok || len(named.ProviderSources()) == 0 {
		return "where the client looks for them"
	}
	sources := named.ProviderSources()
	switch sources[len(sources)-1] {
	case aws.CredentialSourceEnvVarsSTSWebIDToken, aws.CredentialSourceProfileSTSWebIDToken, aws.CredentialSourceSTSAssumeRoleWebID:
		return "a web identity"
	case aws.CredentialSourceSTSAssumeRole, aws.CredentialSourceSTSAssumeRoleSaml:
		return "a role to assume"
	case aws.CredentialSourceProcess, aws.CredentialSourceProfileProcess:
		return "a credential process"
	case aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy, aws.CredentialSourceProfileSSO, aws.CredentialSourceLogin:
		return "a login session"
	case aws.CredentialSourceHTTP:
		return "the container's endpoint"
	case aws.CredentialSourceIMDS:
		return "the instance metadata service"
	}
	return "the source that is configured"
}
