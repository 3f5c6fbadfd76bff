package direct

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/httpbody"
)

var errNoCredentials = errors.New("no AWS credentials are configured, and no instance metadata service has any")

// credentialFault returns the class and the cause of an attempt that got no
// credentials. It keeps nothing of err's text: a source may be anything, down to
// a program's output.
func credentialFault(source aws.CredentialsProvider, err error) (hush.Class, error) {
	answer := apiError(err)
	if onlyMetadata(source) && (answer == nil || answer.Status == http.StatusNotFound) {
		return hush.ErrAbsent, errNoCredentials
	}
	text := "no AWS credentials to be had from " + origin(source)
	switch {
	case answer == nil && unreached(err):
		return hush.ErrUnavailable, fmt.Errorf("%s: %w", text, networkFault(err))
	case answer == nil:
		return hush.ErrUnauthenticated, fmt.Errorf("%s: %w", text, networkFault(err))
	}
	// An outage of the source is one of ours; any other answer is about what is
	// configured.
	class := hush.ErrUnauthenticated
	switch {
	case answer.class == hush.ErrThrottled:
		class = hush.ErrThrottled
	case answer.Status >= http.StatusInternalServerError:
		class = hush.ErrUnavailable
	}
	return class, fmt.Errorf("%s: it answered %s", text, cmp.Or(answer.facts(), "nothing known"))
}

// unreached reports whether err is a network's: a file or a program can be a
// source of credentials, too.
func unreached(err error) bool {
	_, dialled := errors.AsType[*net.OpError](err)
	return dialled || timedOut(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
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

// onlyMetadata reports whether source is the instance metadata service and no
// more, which is what the SDK falls back to when nobody configured anything.
func onlyMetadata(source aws.CredentialsProvider) bool {
	named, ok := source.(aws.CredentialProviderSource)
	return ok && slices.Equal(named.ProviderSources(), []aws.CredentialSource{aws.CredentialSourceIMDS})
}

func timedOut(err error) bool {
	timer, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timer.Timeout()
}

// networkFault says why no answer came. Only a failed dial is quoted, for nothing
// has been received then: later errors quote what was.
func networkFault(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return errors.New(op.Error())
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("the endpoint's certificate is not accepted (%T)", untrusted.Err)
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return errors.New(number.Error())
	}
	switch {
	case errors.Is(err, httpbody.ErrTooLarge):
		return errors.New("the answer is larger than 10 MiB")
	case timedOut(err):
		return errors.New("no answer in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before an answer came")
	}
	return fmt.Errorf("no usable answer (%T)", innermost(err))
}

// innermost returns the last error of the chain below err, whose type says most.
func innermost(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}
