package extension

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

func TestResolvedAddressMustBeLoopback(t *testing.T) {
	for _, server := range []string{"192.0.2.1:2773", "[2001:db8::1]:2773", "0.0.0.0:2773"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server, nil)
		require.NoError(t, err)
		response, err := newTransport(server).RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		assert.ErrorContains(t, err, "not a loopback address")
	}
}

func TestDefaults(t *testing.T) {
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "")
	t.Setenv(portVariable, "")
	for _, o := range []*Options{nil, {}} {
		p := New(o)
		assert.Equal(t, "127.0.0.1:2773", p.server)
		assert.Equal(t, 3*time.Second, p.timeout)
		assert.Equal(t, 100*time.Millisecond, p.ready.wait)
		assert.Equal(t, DialectAgent, p.dialect)
		assert.Equal(t, "/var/run/awssmatoken", p.tokens.file)
	}
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
	assert.Equal(t, DialectLambda, New(nil).dialect)
	assert.Equal(t, 1500*time.Millisecond, New(nil).timeout)
}

func TestResponseCountsAfterTheContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := tokenRejected(http.StatusForbidden).wrap(ctx, ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
}

func FuzzResponse(f *testing.F) {
	for _, body := range []string{
		`{"ARN":"arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf","CreatedDate":"2022-11-16T08:22:40.499Z","Name":"db",` +
			`"SecretBinary":null,"SecretString":"x","VersionId":"v1","VersionStages":["AWSCURRENT"],"ResultMetadata":{}}`,
		`{"SecretBinary":"AP8=","CreatedDate":1.523477145713E9,"Expires":"1569534789.046","Stale":true}`,
		`{"__type":"ResourceNotFoundException", "message":"no "quotes" escaped"}`,
		`{"Message":"x","__type":"com.amazonaws.secretsmanager#AccessDeniedException"}`,
		"not ready to serve traffic, please wait", "bad session token or header key", "", "{", "\xff",
	} {
		f.Add(200, "db", []byte(body))
		f.Add(400, "arn:aws:secretsmanager:eu-west-1:1:secret:db", []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, id string, body []byte) {
		r := response{status: status, body: body}
		for _, dialect := range []Dialect{DialectLambda, DialectAgent} {
			got := (&Provider{dialect: dialect}).apiError(r)
			if got.class == 0 || got.class == hush.ErrInvalidRef || got.class == hush.ErrCanceled || got.class == hush.ErrRejected {
				t.Errorf("class %d", got.class)
			}
			if typed, _ := errorType(body); typed == "" && (got.class == hush.ErrNotFound || got.class == hush.ErrDenied) {
				t.Errorf("class %v of an answer without a type", got.class)
			}
		}
		secret, f := r.secret(hush.Ref{Name: id, Version: "v1"})
		if (f == nil) == secret.Equal(hush.Secret{}) {
			t.Error("both a secret and a failure, or neither")
		}
		if f == nil && secret.Version != "" && secret.Version != "v1" {
			t.Error("another version than asked for")
		}
	})
}

func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{
		"http://127.0.0.1:2773", "http://localhost:1/", "http://[::1]:2773", "http://a@[::ffff:127.0.0.1]:1", "::", "http://[::1%25lo]:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		server, err := parseEndpoint(given)
		if (err == nil) == (server == "") {
			t.Errorf("both a server and an error, or neither: %q, %v", server, err)
		}
		if err == nil && requireLoopback(t.Context(), "tcp", server, nil) != nil {
			t.Errorf("%q would dial %s", given, server)
		}
	})
}
