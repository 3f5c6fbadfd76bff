package extension_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

// write writes text to a new file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// echo responds with the token of the request as the secret.
func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, `{"SecretString":"`+r.Header.Get("X-Aws-Parameters-Secrets-Token")+`"}`)
}

func TestTokenInLambdaIsReadForEachCall(t *testing.T) {
	inLambda(t)
	p := open(t, extension.Options{Endpoint: serve(t, echo)})
	for _, token := range []string{"first", "second"} {
		t.Setenv("AWS_SESSION_TOKEN", token)
		got, err := p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, token, got.Value.Reveal())
	}

	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_TOKEN", sessionToken)
	p.FailOnDial(t)
	_, err := p.Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "AWS_SESSION_TOKEN is not set")
}

func TestTokenOutsideLambda(t *testing.T) {
	given := func(context.Context) (string, error) { return "of Options", nil }
	for want, c := range map[string]struct {
		option         func(context.Context) (string, error)
		variable, file string
	}{
		"of Options":      {given, "of AWS_TOKEN", "of the file"},
		"of AWS_TOKEN":    {nil, "of AWS_TOKEN", "of the file"},
		"of the file":     {nil, "", " of the file\r\n"},
		"of a named file": {nil, "file://" + write(t, "of a named file\n"), "of the file"},
	} {
		t.Run(want, func(t *testing.T) {
			outside(t)
			t.Setenv("AWS_SESSION_TOKEN", sessionToken)
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", sessionToken)
			t.Setenv("AWS_TOKEN", c.variable)
			p := open(t, extension.Options{Endpoint: serve(t, echo), Token: c.option})
			p.SetTokenFile(write(t, c.file))
			got, err := p.Get(t.Context(), hush.Name("db"))
			require.NoError(t, err)
			assert.Equal(t, want, got.Value.Reveal())
		})
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	outside(t)
	path := write(t, "first")
	p := open(t, extension.Options{Endpoint: serve(t, echo)})
	p.SetTokenFile(path)
	_, err := p.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("second"), 0o600))
	got, err := p.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "second", got.Value.Reveal())
}

func TestNotConfiguredIsAbsent(t *testing.T) {
	outside(t)
	t.Setenv("AWS_SESSION_TOKEN", sessionToken)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", sessionToken)
	p := open(t, extension.Options{})
	p.FailOnDial(t)
	for _, ref := range []hush.Ref{hush.Name("db"), hush.Name("db").Fresh()} {
		_, err := p.Get(t.Context(), ref)
		assert.Equal(t, hush.ErrAbsent, hush.ClassOf(err))
		assert.Empty(t, providertest.Leaks(err, sessionToken))
	}
	_, err := p.Get(t.Context(), hush.Name(""))
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err), "the name is checked first")
}

func TestCredentialsOfAWSAreNotSentOutsideLambda(t *testing.T) {
	outside(t)
	t.Setenv("AWS_SESSION_TOKEN", sessionToken)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", sessionToken)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()

	t.Setenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", l.Addr().String()[len("127.0.0.1:"):])
	for _, o := range []extension.Options{{Endpoint: "http://" + l.Addr().String()}, {}, {Dialect: extension.DialectLambda}} {
		_, err := open(t, o).Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
		assert.ErrorContains(t, err, "no token for the endpoint; set AWS_TOKEN")
	}
	// A connection on loopback would be in the backlog by now.
	require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = l.Accept()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "a dial")
}

func TestInvalidTokens(t *testing.T) {
	for variable, want := range map[string]string{
		"file:///no/such/file":                              "does not exist",
		"file://token":                                      "is not absolute",
		"file://" + t.TempDir():                             "not a regular file",
		"file://" + os.DevNull:                              "not a regular file",
		"file://" + write(t, ""):                            "is empty",
		"file://" + write(t, " \n"):                         "is empty",
		"file://" + write(t, canary+"\nX-Evil: 1"):          "control character",
		"file://" + write(t, canary+"\x7f"):                 "control character",
		"file://" + write(t, strings.Repeat(canary, 10000)): "exceeds the limit of 16384 bytes",
		canary + "\r\nX-Evil: 1":                            "control character",
		strings.Repeat(canary, 2000):                        "exceeds the limit of 16384 bytes",
	} {
		outside(t)
		t.Setenv("AWS_TOKEN", variable)
		p := open(t, extension.Options{})
		p.FailOnDial(t)
		_, err := p.Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err), "%.40q", variable)
		assert.ErrorContains(t, err, want, "%.40q", variable)
		assert.Empty(t, providertest.Leaks(err, canary), "%.40q", variable)
	}
}

func TestTokenFunctionFails(t *testing.T) {
	outside(t)
	ctx, cancel := context.WithCancel(t.Context())
	token, failure := "", errors.New("cannot use "+canary)
	p := open(t, extension.Options{Token: func(context.Context) (string, error) { return token, failure }})
	p.FailOnDial(t)
	_, err := p.Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.Empty(t, providertest.Leaks(err, canary))

	failure = nil
	_, err = p.Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "the token is empty")

	p = open(t, extension.Options{Token: func(ctx context.Context) (string, error) { cancel(); return "", ctx.Err() }})
	_, err = p.Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	assert.ErrorIs(t, err, context.Canceled)
}
