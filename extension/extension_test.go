package extension_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

const canary = "canary-5ec7e7"

// typedBody returns an error as the agent sends it.
func typedBody(code string) string {
	return `{"__type":"` + code + `", "message":"about ` + canary + `"}`
}

// classes has every known status and body of the two servers, and some invalid ones.
var classes = []struct {
	status        int
	body          string
	lambda, agent hush.Class // a zero agent means the same as lambda
}{
	{400, "an unexpected error occurred while executing request", hush.ErrRefused, hush.ErrUnavailable},
	{400, "not ready to serve traffic, please wait", hush.ErrRefused, 0},
	{400, "bad session token or header key", hush.ErrUnauthenticated, 0},
	{401, "bad session token or header key", hush.ErrUnauthenticated, 0},
	{500, "error: bad session token or header key: " + canary, hush.ErrUnauthenticated, 0},
	{200, "bad session token or header key", hush.ErrUnauthenticated, 0},
	{401, "", hush.ErrUnauthenticated, 0},
	{403, "Bad Token", hush.ErrUnauthenticated, 0},
	{429, "Connection limit exceeded", hush.ErrThrottled, 0},
	{429, "", hush.ErrThrottled, 0},
	{400, "Forwarded", hush.ErrUnavailable, 0},
	{400, "unknown parameter: refreshNow", hush.ErrUnavailable, 0},
	{400, "missing parameter secretId", hush.ErrUnavailable, 0},
	{400, "invalid refreshNow value", hush.ErrUnavailable, 0},
	{400, "MaxRolesExceeded", hush.ErrUnavailable, 0},
	{400, "", hush.ErrRefused, hush.ErrUnavailable},
	{404, "Not found", hush.ErrUnavailable, 0},
	{405, "Not allowed", hush.ErrUnavailable, 0},
	{500, "", hush.ErrUnavailable, 0},
	{502, "bad gateway " + canary, hush.ErrUnavailable, 0},
	{503, "<html>" + canary, hush.ErrUnavailable, 0},
	{204, "", hush.ErrUnavailable, 0},
	{418, canary, hush.ErrUnavailable, 0},

	{400, typedBody("ResourceNotFoundException"), hush.ErrNotFound, 0},
	{400, typedBody("com.amazonaws.secretsmanager#ResourceNotFoundException"), hush.ErrNotFound, 0},
	{400, typedBody("ResourceNotFoundException:http://internal.amazon.com/coral/"), hush.ErrNotFound, 0},
	{400, typedBody("InvalidRequestException"), hush.ErrNotFound, 0},
	{400, typedBody("InvalidParameterException"), hush.ErrNotFound, 0},
	{400, typedBody("ValidationException"), hush.ErrNotFound, 0},
	{400, typedBody("AccessDeniedException"), hush.ErrDenied, 0},
	{403, typedBody("AccessDeniedException"), hush.ErrDenied, 0},
	{400, typedBody("DecryptionFailure"), hush.ErrDenied, 0},
	{400, typedBody("ExpiredTokenException"), hush.ErrUnauthenticated, 0},
	{400, typedBody("UnrecognizedClientException"), hush.ErrUnauthenticated, 0},
	{400, typedBody("InvalidSignatureException"), hush.ErrUnauthenticated, 0},
	{400, typedBody("ThrottlingException"), hush.ErrThrottled, 0},
	{500, typedBody("InternalServiceError"), hush.ErrUnavailable, 0},
	{500, typedBody("InternalFailure"), hush.ErrUnavailable, 0},
	{503, typedBody("InternalFailure"), hush.ErrUnavailable, 0},
	{504, typedBody("TimeoutError"), hush.ErrUnavailable, 0},
	{502, typedBody("ConnectionError"), hush.ErrUnavailable, 0},
	{400, typedBody("MaxRolesExceeded"), hush.ErrUnavailable, 0},
	{400, typedBody("hush#Unsupported"), hush.ErrUnsupported, 0},
	{400, typedBody("hush#Refused"), hush.ErrRefused, 0},
	{400, typedBody("hush#Absent"), hush.ErrAbsent, 0},
	{400, typedBody("hush#" + canary), hush.ErrUnavailable, 0},
	{400, typedBody("com.evil#Unsupported"), hush.ErrUnavailable, 0},
	{429, typedBody(canary), hush.ErrThrottled, 0},

	{400, `{"Message":"` + canary + `","__type":"AccessDeniedException"}`, hush.ErrDenied, 0},
	{400, `{"__type":"AccessDeniedException","Message":null}`, hush.ErrDenied, 0},
	{400, `{"__type":"AccessDeniedException","Message":{"x":1}}`, hush.ErrDenied, 0},
	{400, `{"__type":"AccessDeniedException", "message":"user "` + canary + `" says \x no"}`, hush.ErrDenied, 0},
	{400, " \n{ \"__type\" :\t\"ThrottlingException\"", hush.ErrThrottled, 0},
	{400, `{"__type":"AccessDeniedException", "message":"x","__type":"ResourceNotFoundException"}`, hush.ErrDenied, 0},
	{400, `{"message":"x"}`, hush.ErrRefused, hush.ErrUnavailable},
	{400, `{"__type":7}`, hush.ErrRefused, hush.ErrUnavailable},
	{400, `{"__type":"AccessDenied`, hush.ErrRefused, hush.ErrUnavailable},
	{404, `{"__type":"`, hush.ErrUnavailable, 0},

	{200, "", hush.ErrUnavailable, 0},
	{200, "null", hush.ErrUnavailable, 0},
	{200, "{}", hush.ErrUnavailable, 0},
	{200, "[]", hush.ErrUnavailable, 0},
	{200, "<html>" + canary, hush.ErrUnavailable, 0},
	{200, typedBody("ResourceNotFoundException"), hush.ErrUnavailable, 0},
	{200, body(`"SecretString":"` + canary), hush.ErrUnavailable, 0},
	{200, body(`"SecretString":{"x":"` + canary + `"}`), hush.ErrUnavailable, 0},
	{200, body(`"SecretString":"`+canary+`"`) + canary, hush.ErrUnavailable, 0},
	{200, body(`"SecretString":"` + canary + "\xff\""), hush.ErrUnavailable, 0},
	{200, body(`"SecretBinary":"!` + canary + `"`), hush.ErrUnavailable, 0},
	{200, body(`"SecretString":"`+canary+`"`, `"SecretBinary":"YQ=="`), hush.ErrUnavailable, 0},
	{200, body(`"SecretString":null`, `"SecretBinary":null`), hush.ErrUnavailable, 0},
}

func TestClassOfEachResponse(t *testing.T) {
	for _, dialect := range []extension.Dialect{extension.DialectLambda, extension.DialectAgent} {
		outside(t)
		t.Setenv("AWS_TOKEN", sessionToken)
		for _, c := range classes {
			want := c.lambda
			if dialect == extension.DialectAgent && c.agent != 0 {
				want = c.agent
			}
			t.Run(fmt.Sprintf("dialect %d: %d %.80s", dialect, c.status, c.body), func(t *testing.T) {
				p := open(t, extension.Options{Endpoint: serve(t, respondWith(c.status, c.body)), Dialect: dialect, ReadyWait: -1})
				secret, err := p.Get(t.Context(), hush.Name("db"))
				require.Error(t, err)
				assert.Equal(t, want, hush.ClassOf(err), "%v", err)
				assert.True(t, secret.Equal(hush.Secret{}))
				assert.Empty(t, providertest.Leaks(err, canary, sessionToken))
			})
		}
	}
}

func TestErrorExplainsAmbiguousType(t *testing.T) {
	outside(t)
	t.Setenv("AWS_TOKEN", sessionToken)
	for body, want := range map[string]string{
		`{"__type":"AccessDeniedException","Message":"Access to KMS is not allowed"}`:                      "KMS does not allow the use of the secret's key",
		`{"__type":"InvalidRequestException","message":"the secret because it was marked for deletion."}`:  "the secret is marked for deletion",
		`{"__type":"com.amazonaws.secretsmanager#AccessDeniedException","message":"not authorized to do"}`: "(AccessDeniedException, status 400)",
	} {
		p := open(t, extension.Options{Endpoint: serve(t, respondWith(400, body))})
		_, err := p.Get(t.Context(), hush.Name("db"))
		assert.ErrorContains(t, err, want)
	}
}

func TestRequest(t *testing.T) {
	outside(t)
	t.Setenv("AWS_TOKEN", sessionToken)
	var got *http.Request
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, `{"SecretString":"x"}`)
	})
	for _, c := range []struct {
		ref  hush.Ref
		want string
	}{
		{hush.Name("db/a+b"), "secretId=db%2Fa%2Bb"},
		{hush.Name("rds!db-1 &=#?%é"), "secretId=rds%21db-1+%26%3D%23%3F%25%C3%A9"},
		{hush.Ref{Name: "db", Stage: hush.CurrentStage}, "secretId=db"},
		{hush.Ref{Name: "db", Version: "v+1", Stage: "A&B"}, "secretId=db&versionId=v%2B1&versionStage=A%26B"},
		{hush.Ref{Name: "db", Version: "v", Stage: hush.CurrentStage}, "secretId=db&versionId=v&versionStage=AWSCURRENT"},
		{hush.Name("db").Fresh(), "secretId=db&refreshNow=true"},
		{hush.Name("db").NewerThan(hush.Secret{}), "secretId=db&refreshNow=true"},
	} {
		_, err := open(t, extension.Options{Endpoint: endpoint}).Get(t.Context(), c.ref)
		require.NoError(t, err)
		assert.Equal(t, "/secretsmanager/get?"+c.want, got.RequestURI)
		assert.Equal(t, http.MethodGet, got.Method)
		assert.Equal(t, []string{sessionToken}, got.Header["X-Aws-Parameters-Secrets-Token"])
		assert.Empty(t, got.Header["Accept-Encoding"], "compression")
		assert.Equal(t, strings.TrimPrefix(endpoint, "http://"), got.Host)
	}
}

func TestDialectDecidesFreshReads(t *testing.T) {
	endpoint := serve(t, respondWith(200, body(`"SecretString":"x"`)))
	for _, c := range []struct {
		lambda  bool
		dialect extension.Dialect
		fresh   bool
	}{
		{true, extension.DialectAuto, false},
		{true, extension.DialectAgent, true},
		{false, extension.DialectAuto, true},
		{false, extension.DialectLambda, false},
	} {
		outside(t)
		t.Setenv("AWS_TOKEN", sessionToken)
		if c.lambda {
			inLambda(t)
		}
		p := open(t, extension.Options{Endpoint: endpoint, Dialect: c.dialect})
		if !c.fresh {
			p.FailOnDial(t)
		}
		_, err := p.Get(t.Context(), hush.Name("db").Fresh())
		assert.Equal(t, !c.fresh, errors.Is(err, hush.ErrUnsupported), "%+v: %v", c, err)
	}
}

func TestTimeoutIsNotTheCallersDeadline(t *testing.T) {
	inLambda(t)
	endpoint := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := open(t, extension.Options{Endpoint: endpoint, Timeout: 30 * time.Millisecond})
	_, err := p.Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "longer than its limit of 30ms")
}
