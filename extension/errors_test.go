package extension_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

// breakOff closes the connection in the middle of a response.
func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = w.Write([]byte(canary))
	panic(http.ErrAbortHandler)
}

// closedEndpoint returns an endpoint on which nothing listens.
func closedEndpoint(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}

func TestAPIError(t *testing.T) {
	const refused = "an unexpected error occurred while executing request"
	for name, c := range map[string]struct {
		want     extension.APIError
		class    hush.Class
		serve    http.HandlerFunc // nil: nothing listens
		lambda   bool
		noToken  bool
		endpoint string // if it is not that of serve
		ref      hush.Ref
	}{
		"not Lambda and nothing configured": {
			noToken: true, endpoint: "none",
			want: extension.APIError{Reason: extension.ReasonNotConfigured}, class: hush.ErrAbsent,
		},
		"invalid endpoint": {
			endpoint: "https://" + canary,
			want:     extension.APIError{Reason: extension.ReasonInvalidEndpoint}, class: hush.ErrUnavailable,
		},
		"no token": {
			noToken: true,
			want:    extension.APIError{Reason: extension.ReasonNoToken}, class: hush.ErrUnauthenticated,
		},
		"no token in Lambda": {
			noToken: true, lambda: true,
			want: extension.APIError{Reason: extension.ReasonNoToken}, class: hush.ErrUnauthenticated,
		},
		"fresh read of the Lambda extension": {
			lambda: true, ref: hush.Name("db").Fresh(),
			want: extension.APIError{Reason: extension.ReasonNoFreshReads}, class: hush.ErrUnsupported,
		},
		"nothing listens": {
			want: extension.APIError{Reason: extension.ReasonNotConnected}, class: hush.ErrUnavailable,
		},
		"connection broken in the response": {
			serve: breakOff,
			want:  extension.APIError{Reason: extension.ReasonConnectionLost}, class: hush.ErrUnavailable,
		},
		"not a secret": {
			serve: respondWith(200, canary),
			want:  extension.APIError{Reason: extension.ReasonInvalidResponse, Status: 200}, class: hush.ErrUnavailable,
		},
		"another secret": {
			serve: respondWith(200, `{"Name":"`+canary+`","SecretString":"x"}`),
			want:  extension.APIError{Reason: extension.ReasonInvalidResponse, Status: 200}, class: hush.ErrUnavailable,
		},
		"another server": {
			serve: respondWith(404, canary),
			want:  extension.APIError{Reason: extension.ReasonInvalidResponse, Status: 404}, class: hush.ErrUnavailable,
		},
		"token rejected by the extension": {
			serve: respondWith(400, "bad session token or header key"), lambda: true,
			want: extension.APIError{Reason: extension.ReasonTokenRejected, Status: 400}, class: hush.ErrUnauthenticated,
		},
		"token rejected by the agent": {
			serve: respondWith(403, "Bad Token"),
			want:  extension.APIError{Reason: extension.ReasonTokenRejected, Status: 403}, class: hush.ErrUnauthenticated,
		},
		"not ready": {
			serve: respondWith(400, notReady), lambda: true,
			want: extension.APIError{Reason: extension.ReasonNotReady}, class: hush.ErrRefused,
		},
		"too many connections": {
			serve: respondWith(429, "Connection limit exceeded"),
			want:  extension.APIError{Reason: extension.ReasonThrottled, Status: 429}, class: hush.ErrThrottled,
		},
		"refused without a reason": {
			serve: respondWith(400, refused), lambda: true,
			want: extension.APIError{Reason: extension.ReasonRefused, Status: 400}, class: hush.ErrRefused,
		},
		"no such secret": {
			serve: respondWith(400, typedBody("com.amazonaws#ResourceNotFoundException")),
			want:  extension.APIError{Reason: extension.ReasonStoreError, Status: 400, Code: "ResourceNotFoundException"}, class: hush.ErrNotFound,
		},
		"access denied": {
			serve: respondWith(400, typedBody("AccessDeniedException")),
			want:  extension.APIError{Reason: extension.ReasonStoreError, Status: 400, Code: "AccessDeniedException"}, class: hush.ErrDenied,
		},
		"error of package agent": {
			serve: respondWith(400, typedBody("hush#Absent")),
			want:  extension.APIError{Reason: extension.ReasonStoreError, Status: 400, Code: "hush#Absent"}, class: hush.ErrAbsent,
		},
		"unknown error type": {
			serve: respondWith(500, typedBody(canary)),
			want:  extension.APIError{Reason: extension.ReasonStoreError, Status: 500}, class: hush.ErrUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			outside(t)
			if c.lambda {
				inLambda(t)
			}
			t.Setenv("AWS_TOKEN", sessionToken)
			if c.noToken {
				t.Setenv("AWS_TOKEN", "")
				t.Setenv("AWS_SESSION_TOKEN", "")
			}
			switch {
			case c.endpoint == "none":
				c.endpoint = ""
			case c.serve != nil:
				c.endpoint = serve(t, c.serve)
			case c.endpoint == "":
				c.endpoint = closedEndpoint(t)
			}
			if c.ref.Name == "" {
				c.ref = hush.Name("db")
			}
			_, err := open(t, extension.Options{Endpoint: c.endpoint}).Get(t.Context(), c.ref)
			requireAPIError(t, err, c.class, c.want)
		})
	}
}

// requireAPIError checks the class and the exported fields of err, and that its text
// quotes neither the token nor the response.
func requireAPIError(t *testing.T, err error, class hush.Class, want extension.APIError) {
	t.Helper()
	got, ok := errors.AsType[*extension.APIError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, want, extension.APIError{Reason: got.Reason, Code: got.Code, Status: got.Status})
	assert.Equal(t, class, hush.ClassOf(err), "%v", err)
	assert.Empty(t, providertest.Leaks(err, canary, sessionToken))
}

func TestAPIErrorOfReadThatEndsWhileNotReady(t *testing.T) {
	inLambda(t)
	ctx, cancel := context.WithCancel(t.Context())
	polls := 0
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if polls++; polls == 3 {
			cancel()
		}
		respondWith(400, notReady)(w, r)
	})
	_, err := open(t, extension.Options{Endpoint: endpoint, ReadyWait: time.Hour}).Get(ctx, hush.Name("db"))
	requireAPIError(t, err, hush.ErrRefused, extension.APIError{Reason: extension.ReasonNotReady})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestEndOfContextHasNoAPIError(t *testing.T) {
	inLambda(t)
	ctx, cancel := context.WithCancel(t.Context())
	endpoint := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := open(t, extension.Options{Endpoint: endpoint}).Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	_, ok := errors.AsType[*extension.APIError](err)
	assert.False(t, ok, "%v", err)
}
