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

// ErrNoCredentials means that no source of credentials is configured.
var ErrNoCredentials = errors.New("no AWS credentials are configured, and no instance metadata service has any")

// A CredentialsError means that a configured source returned no credentials. No request
// was sent to the service.
type CredentialsError struct {
	source string
	cause  error
}

// Error names the source and the cause.
func (e *CredentialsError) Error() string {
	return fmt.Sprintf("cannot get AWS credentials from %s: %s", e.source, e.cause)
}

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.cause }

// Credentials returns the class and the cause of an error of a source of credentials. The
// cause does not quote err, whose text may be the output of a program.
func Credentials(source aws.CredentialsProvider, err error) (hush.Class, error) {
	r, _ := Read(err)
	if OnlyMetadata(source) && (r == nil || r.Status == http.StatusNotFound) {
		return hush.ErrAbsent, ErrNoCredentials
	}
	class := hush.ErrUnauthenticated
	switch {
	case r != nil && r.Throttled():
		class = hush.ErrThrottled
	case r == nil && isNetwork(err), r != nil && r.Status >= http.StatusInternalServerError:
		class = hush.ErrUnavailable
	}
	if r == nil {
		return class, &CredentialsError{origin(source), Network(err)}
	}
	return class, &CredentialsError{origin(source), fmt.Errorf("error response (%s)", cmp.Or(r.String(), "unknown"))}
}

// OnlyMetadata reports whether source is only the instance metadata service, to which
// the SDK falls back if no credentials are configured.
func OnlyMetadata(source aws.CredentialsProvider) bool {
	return slices.Equal(sourcesOf(source), []aws.CredentialSource{aws.CredentialSourceIMDS})
}

func sourcesOf(source aws.CredentialsProvider) []aws.CredentialSource {
	if named, ok := source.(aws.CredentialProviderSource); ok {
		return named.ProviderSources()
	}
	return nil
}

// origin describes the last of the sources.
func origin(source aws.CredentialsProvider) string {
	sources := sourcesOf(source)
	if len(sources) == 0 {
		return "the client's source"
	}
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
	return "the configured source"
}
