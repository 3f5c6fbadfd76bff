package awsfault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/httpbody"
)

const (
	canary = "canary-5f1d-e7"
	id     = "ec5b8e0a-6f0d-4a53-9d3c-3c3f5b0f7a11"
)

// response returns an error of the SDK for a response.
func responseError(code string, status int, requestID string) error {
	response := &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: http.Header{}}}
	api := &smithy.GenericAPIError{Code: code, Message: canary}
	return fmt.Errorf("operation: %w", &awshttp.ResponseError{
		ResponseError: &smithyhttp.ResponseError{Response: response, Err: api}, RequestID: requestID,
	})
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"all":              {responseError("AccessDenied", 403, id), "AccessDenied, status 403, request " + id},
		"namespace":        {responseError("com.amazonaws.sts#AccessDenied:http://x/", 403, ""), "AccessDenied, status 403"},
		"throttle":         {responseError("EC2ThrottledException", 400, ""), "EC2ThrottledException, status 400"},
		"no code":          {responseError("UnknownError", 502, ""), "status 502"},
		"not a code":       {responseError(canary, 400, ""), "status 400"},
		"not a request id": {responseError("", 400, canary), "status 400"},
		"a code alone":     {&smithy.GenericAPIError{Code: "AccessDenied"}, "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := awsfault.Read(c.err)
			require.NotNil(t, got)
			assert.Equal(t, c.want, got.String())
		})
	}
	_, message := awsfault.Read(responseError("AccessDenied", 403, id))
	assert.Equal(t, canary, message)
	for _, err := range []error{
		errors.New("x"), nil,
		&smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusOK}}, Err: httpbody.ErrTooLarge},
		&smithyhttp.RequestSendError{Err: responseError("AccessDenied", 403, id)},
		&smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{}}, Err: io.EOF},
	} {
		got, _ := awsfault.Read(err)
		assert.Nil(t, got, "%v", err)
	}
}

func TestHeaderCode(t *testing.T) {
	response := &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {"AccessDenied:http://x/"}}}
	got, _ := awsfault.Read(&smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: errors.New(canary)})
	assert.Equal(t, &awsfault.Response{Code: "AccessDenied", Status: 400}, got)
}

// A source is a source of credentials.
type source []aws.CredentialSource

func (s source) ProviderSources() []aws.CredentialSource { return s }

func (source) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil }

func TestCredentials(t *testing.T) {
	dead := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	metadata := source{aws.CredentialSourceIMDS}
	for name, c := range map[string]struct {
		source source
		err    error
		class  hush.Class
		words  string
	}{
		"no metadata service":        {metadata, dead, hush.ErrAbsent, "no AWS credentials are configured"},
		"metadata without a role":    {metadata, responseError("", 404, ""), hush.ErrAbsent, "no AWS credentials are configured"},
		"failed metadata service":    {metadata, responseError("", 500, ""), hush.ErrUnavailable, "the instance metadata service: error response (status 500)"},
		"a role by metadata":         {append(metadata, aws.CredentialSourceSTSAssumeRole), dead, hush.ErrUnavailable, "a role to assume: dial tcp"},
		"a role that is not allowed": {source{aws.CredentialSourceSTSAssumeRole}, responseError("AccessDenied", 403, ""), hush.ErrUnauthenticated, "AccessDenied, status 403"},
		"a throttled web identity":   {source{aws.CredentialSourceEnvVarsSTSWebIDToken}, responseError("Throttling", 400, ""), hush.ErrThrottled, "a web identity"},
		"throttled without a code":   {source{aws.CredentialSourceHTTP}, responseError("", 429, ""), hush.ErrThrottled, "the container's endpoint"},
		"program":                    {source{aws.CredentialSourceProcess}, errors.New(canary), hush.ErrUnauthenticated, "a credential process: no valid response"},
		"expired session":            {source{aws.CredentialSourceSSO}, errors.New(canary), hush.ErrUnauthenticated, "a login session"},
		"a closed connection":        {source{aws.CredentialSourceHTTP}, fmt.Errorf("x: %w", io.EOF), hush.ErrUnavailable, "closed before the response"},
		"unknown source":             {nil, errors.New(canary), hush.ErrUnauthenticated, "the client's source"},
		"unknown response":           {source{aws.CredentialSourceUndefined}, &smithy.GenericAPIError{Code: canary}, hush.ErrUnauthenticated, "the configured source: error response (unknown)"},
	} {
		t.Run(name, func(t *testing.T) {
			class, err := awsfault.Credentials(c.source, c.err)
			assert.Equal(t, c.class, class)
			assert.ErrorContains(t, err, c.words)
			assert.NotContains(t, err.Error(), canary)
		})
	}
}

func TestNetwork(t *testing.T) {
	assert.EqualError(t, awsfault.Network(httpbody.ErrTooLarge), "the response exceeds the limit of 10 MiB")
	assert.NotContains(t, awsfault.Network(errors.New(canary)).Error(), canary)
}
