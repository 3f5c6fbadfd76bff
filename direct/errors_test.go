package direct_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/providertest"
)

const canary = "canary-9a3c-b2"

// requireClass requires an error of the class want that quotes no secret.
func requireClass(t *testing.T, want hush.Class, err error) {
	t.Helper()
	require.Error(t, err)
	assert.Equal(t, want.Error(), hush.ClassOf(err).Error(), "%v", err)
	assert.Empty(t, providertest.Leaks(err, canary, directtest.SecretAccessKey), "%v", err)
}

// codes are the error codes of GetSecretValue and of every AWS service.
var codes = map[string]struct {
	class  hush.Class
	status int
}{
	"ResourceNotFoundException":              {hush.ErrNotFound, 400},
	"InvalidRequestException":                {hush.ErrNotFound, 400},
	"InvalidParameterException":              {hush.ErrNotFound, 400},
	"ValidationException":                    {hush.ErrNotFound, 400},
	"ValidationError":                        {hush.ErrNotFound, 400},
	"AccessDeniedException":                  {hush.ErrDenied, 400},
	"AccessDenied":                           {hush.ErrDenied, 403},
	"NotAuthorized":                          {hush.ErrDenied, 401},
	"UnauthorizedOperation":                  {hush.ErrDenied, 403},
	"OptInRequired":                          {hush.ErrDenied, 403},
	"DecryptionFailure":                      {hush.ErrDenied, 400},
	"ExpiredToken":                           {hush.ErrUnauthenticated, 403},
	"ExpiredTokenException":                  {hush.ErrUnauthenticated, 400},
	"UnrecognizedClientException":            {hush.ErrUnauthenticated, 400},
	"InvalidClientTokenId":                   {hush.ErrUnauthenticated, 403},
	"InvalidAccessKeyId":                     {hush.ErrUnauthenticated, 403},
	"InvalidToken":                           {hush.ErrUnauthenticated, 400},
	"InvalidTokenException":                  {hush.ErrUnauthenticated, 400},
	"InvalidSignatureException":              {hush.ErrUnauthenticated, 400},
	"SignatureDoesNotMatch":                  {hush.ErrUnauthenticated, 403},
	"AuthFailure":                            {hush.ErrUnauthenticated, 401},
	"RequestExpired":                         {hush.ErrUnauthenticated, 400},
	"RequestTimeTooSkewed":                   {hush.ErrUnauthenticated, 403},
	"MissingAuthenticationToken":             {hush.ErrUnauthenticated, 403},
	"MissingAuthenticationTokenException":    {hush.ErrUnauthenticated, 400},
	"IncompleteSignature":                    {hush.ErrUnauthenticated, 400},
	"IncompleteSignatureException":           {hush.ErrUnauthenticated, 400},
	"ThrottlingException":                    {hush.ErrThrottled, 400},
	"Throttling":                             {hush.ErrThrottled, 400},
	"ThrottledException":                     {hush.ErrThrottled, 429},
	"TooManyRequestsException":               {hush.ErrThrottled, 429},
	"RequestLimitExceeded":                   {hush.ErrThrottled, 400},
	"LimitExceededException":                 {hush.ErrThrottled, 400},
	"SlowDown":                               {hush.ErrThrottled, 503},
	"ProvisionedThroughputExceededException": {hush.ErrThrottled, 400},
	"InternalServiceError":                   {hush.ErrUnavailable, 500},
	"InternalFailure":                        {hush.ErrUnavailable, 500},
	"ServiceUnavailable":                     {hush.ErrUnavailable, 503},
	"UnknownOperationException":              {hush.ErrUnavailable, 400},
	"SomethingNew":                           {hush.ErrUnavailable, 400},
}

// TestLoneSurrogates sees lone surrogates and invalid UTF-8 refused, because the SDK would
// replace them.
func TestLoneSurrogates(t *testing.T) {
	server := start(t)
	for text, want := range map[string]string{`\ud800`: "a lone surrogate", `\ufffd\ud800`: "a lone surrogate", "\xff": "not UTF-8"} {
		body := []byte(`{"Name":"db/prod","SecretString":"` + text + canary + `","VersionId":"1","VersionStages":["AWSCURRENT"]}`)
		server.Fail(directtest.Failure{Operation: "GetSecretValue", Status: 200, Times: 1, Body: body})
		_, err := direct.New(server.Client(once), nil).Get(t.Context(), hush.Name("db/prod"))
		requireClass(t, hush.ErrUnavailable, err)
		assert.ErrorContains(t, err, want)
	}
}

func TestCodes(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte(canary))
	provider := direct.New(server.Client(once), nil)
	for code, want := range codes {
		for how, failure := range map[string]directtest.Failure{
			"plain":          {Code: code},
			"namespace":      {Code: "com.amazonaws.secretsmanager#" + code},
			"address":        {Code: code + ":http://internal.amazon.com/coral/"},
			"header":         {Code: code, InHeader: true},
			"header address": {Code: code + ":http://internal.amazon.com/coral/", InHeader: true},
			"header garbage": {Code: code, InHeader: true, Body: []byte(canary)},
		} {
			failure.Status, failure.Message = want.status, canary+" kms: no"
			restore := server.Fail(failure)
			_, err := provider.Get(t.Context(), hush.Name("db/prod"))
			restore()
			requireClass(t, want.class, err)
			apiErr, ok := errors.AsType[*direct.APIError](err)
			require.True(t, ok, "%s by %s: %v", code, how, err)
			assert.Equal(t, code, apiErr.Code, how)
			assert.Equal(t, want.status, apiErr.Status, "%s by %s", code, how)
			assert.Len(t, apiErr.RequestID, 36, "%s by %s", code, how)
		}
	}
}

func TestErrorTextNamesKMS(t *testing.T) {
	server := start(t)
	provider := direct.New(server.Client(once), nil)
	for message, want := range map[string]string{
		"Access to KMS is not allowed":                         "KMS does not allow",
		"User: x is not authorized to perform: kms:Decrypt on": "KMS does not allow",
		"User: x is not authorized to perform: secretsmanager": "no policy allows",
	} {
		restore := server.Fail(directtest.Failure{Code: "AccessDeniedException", Message: message})
		_, err := provider.Get(t.Context(), hush.Name("db/prod"))
		restore()
		requireClass(t, hush.ErrDenied, err)
		assert.Contains(t, err.Error(), want)
	}
}

func TestStatusDecidesWithoutCode(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte(canary))
	provider := direct.New(server.Client(once), nil)
	for name, c := range map[string]struct {
		failure directtest.Failure
		class   hush.Class
	}{
		"429, empty":             {directtest.Failure{Status: 429, Body: []byte{}}, hush.ErrThrottled},
		"429, garbage":           {directtest.Failure{Status: 429, Body: []byte("<html>" + canary)}, hush.ErrThrottled},
		"400, empty":             {directtest.Failure{Body: []byte{}}, hush.ErrUnavailable},
		"400, garbage":           {directtest.Failure{Body: []byte(canary)}, hush.ErrUnavailable},
		"403, of a proxy":        {directtest.Failure{Status: 403, Body: []byte("<html>" + canary)}, hush.ErrUnavailable},
		"404, of a proxy":        {directtest.Failure{Status: 404, Body: []byte{}}, hush.ErrUnavailable},
		"500, empty":             {directtest.Failure{Status: 500, Body: []byte{}}, hush.ErrUnavailable},
		"502, garbage":           {directtest.Failure{Status: 502, Body: []byte(canary)}, hush.ErrUnavailable},
		"503, empty":             {directtest.Failure{Status: 503, Body: []byte{}}, hush.ErrUnavailable},
		"504, empty":             {directtest.Failure{Status: 504, Body: []byte{}}, hush.ErrUnavailable},
		"302":                    {directtest.Failure{Status: 302, Body: []byte(canary)}, hush.ErrUnavailable},
		"200, empty":             {directtest.Failure{Status: 200, Body: []byte{}}, hush.ErrUnavailable},
		"200, garbage":           {directtest.Failure{Status: 200, Body: []byte(canary)}, hush.ErrUnavailable},
		"200, cut off":           {directtest.Failure{Status: 200, Body: []byte(`{"SecretString":"` + canary)}, hush.ErrUnavailable},
		"200, a wrong type":      {directtest.Failure{Status: 200, Body: []byte(`{"SecretString":["` + canary + `"]}`)}, hush.ErrUnavailable},
		"200, a wrong date":      {directtest.Failure{Status: 200, Body: []byte(`{"CreatedDate":"` + canary + `"}`)}, hush.ErrUnavailable},
		"200, bad base64":        {directtest.Failure{Status: 200, Body: []byte(`{"SecretBinary":"` + canary + `"}`)}, hush.ErrUnavailable},
		"200, nulls":             {directtest.Failure{Status: 200, Body: []byte(`{"SecretString":null,"SecretBinary":null}`)}, hush.ErrUnavailable},
		"a code that quotes":     {directtest.Failure{Code: canary, Message: canary}, hush.ErrUnavailable},
		"a header that quotes":   {directtest.Failure{Code: canary, InHeader: true}, hush.ErrUnavailable},
		"a closed connection":    {directtest.Failure{Drop: true}, hush.ErrUnavailable},
		"a message of no string": {directtest.Failure{Body: []byte(`{"__type":"AccessDeniedException","Message":{"` + canary + `":1}}`)}, hush.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			defer server.Fail(c.failure)()
			_, err := provider.Get(t.Context(), hush.Name("db/prod"))
			requireClass(t, c.class, err)
		})
	}
}

// TestHostileServer sees no part of an invalid response quoted. The errors of net/http
// quote its first line, and a header may have a text in place of a request ID.
func TestHostileServer(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":    canary + "\r\n\r\n",
		"request id": "HTTP/1.1 400 Bad\r\nX-Amzn-Requestid: " + canary + "\r\nContent-Length: 0\r\n\r\n",
		"reason":     "HTTP/1.1 500 " + canary + "\r\nContent-Length: 0\r\n\r\n",
		"location":   "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/" + canary + "\r\nContent-Length: 0\r\n\r\n",
		"cut off":    "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"SecretString\":\"" + canary,
	} {
		t.Run(name, func(t *testing.T) {
			address := listenAndSend(t, answer)
			client := start(t).Client(once, func(o *secretsmanager.Options) { o.BaseEndpoint = aws.String("http://" + address) })
			_, err := direct.New(client, nil).Get(t.Context(), hush.Name("db/prod"))
			requireClass(t, hush.ErrUnavailable, err)
		})
	}
}

// say returns the address of a server that gives every request that answer.
func listenAndSend(t *testing.T, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

func TestMarkedForDeletion(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte(canary))
	_, err := server.Client().DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("db/prod")})
	require.NoError(t, err)
	_, err = direct.New(server.Client(once), nil).Get(t.Context(), hush.Name("db/prod"))
	requireClass(t, hush.ErrNotFound, err)
	assert.Contains(t, err.Error(), "marked for deletion")
}

// failing is a source of credentials that fails.
type failing struct {
	err     error
	sources []aws.CredentialSource
}

func (f failing) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if f.err == nil {
		<-ctx.Done()
		return aws.Credentials{}, ctx.Err()
	}
	return aws.Credentials{}, f.err
}

func (f failing) ProviderSources() []aws.CredentialSource { return f.sources }

func TestCredentials(t *testing.T) {
	server := start(t)
	none := []aws.CredentialSource{aws.CredentialSourceIMDS}
	role := []aws.CredentialSource{aws.CredentialSourceEnvVars, aws.CredentialSourceSTSAssumeRole}
	denied := &directAPIError{code: "AccessDenied"}
	for name, c := range map[string]struct {
		set   func(o *secretsmanager.Options)
		class hush.Class
		text  string
	}{
		"none":           {func(o *secretsmanager.Options) { o.Credentials = nil }, hush.ErrAbsent, "no AWS credentials"},
		"anonymous":      {func(o *secretsmanager.Options) { o.Credentials = aws.AnonymousCredentials{} }, hush.ErrAbsent, "no AWS credentials"},
		"no region":      {func(o *secretsmanager.Options) { o.Region = "" }, hush.ErrAbsent, "no AWS region"},
		"failing source": {func(o *secretsmanager.Options) { o.Credentials = failing{err: errors.New(canary)} }, hush.ErrUnauthenticated, "cannot get AWS credentials"},
		"role": {
			func(o *secretsmanager.Options) { o.Credentials = failing{denied, role} },
			hush.ErrUnauthenticated, "from a role to assume: error response (AccessDenied",
		},
		"no instance": {
			func(o *secretsmanager.Options) { o.Credentials = failing{errors.New(canary), none} },
			hush.ErrAbsent, "no instance metadata service has any",
		},
		"hanging metadata": {
			func(o *secretsmanager.Options) { o.Credentials = failing{nil, none} },
			hush.ErrAbsent, "no instance metadata service has any",
		},
		"hanging source": {
			func(o *secretsmanager.Options) { o.Credentials = failing{nil, role} },
			hush.ErrUnavailable, "longer than its limit",
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := &direct.Options{}
			if strings.HasPrefix(name, "hanging") {
				opts.Timeout = 100 * time.Millisecond // its end is what is waited for
			}
			_, err := direct.New(server.Client(once, c.set), opts).Get(t.Context(), hush.Name("db/prod"))
			requireClass(t, c.class, err)
			assert.Contains(t, err.Error(), c.text)
			assert.NotErrorIs(t, err, context.DeadlineExceeded)
		})
	}
	assert.Zero(t, server.Calls(directtest.Call{}), "requests without credentials")
}
