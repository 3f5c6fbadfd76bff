package auth_test

import (
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/auth"
)

func TestTokenLooksUpItsTTL(t *testing.T) {
	for name, c := range map[string]struct {
		data      string
		ttl       int
		renewable bool
	}{
		"renewable":      {`{"ttl":3600,"renewable":true,"id":"canary-hunter2"}`, 3600, true},
		"periodic":       {`{"ttl":86399,"period":86400,"renewable":true}`, 86399, true},
		"batch":          {`{"ttl":60,"renewable":false,"type":"batch"}`, 60, false},
		"root":           {`{"ttl":0}`, 0, false},
		"longer than us": {`{"ttl":9000000000}`, math.MaxInt32, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLoginServer(t)
			s.answer("auth/token/lookup-self", answering(http.StatusOK, `{"data":`+c.data+`}`))
			secret, err := auth.Token(auth.Value(canaryValue("\n"))).Login(t.Context(), s.client)
			require.NoError(t, err)
			want := &api.Secret{Auth: &api.SecretAuth{ClientToken: loginCanary, LeaseDuration: c.ttl, Renewable: c.renewable}}
			assert.Equal(t, want, secret)
			require.Len(t, s.asked(""), 1)
			assert.Equal(t, loginCanary, s.asked("")[0].token, "the lookup sends the token itself")
			assert.Equal(t, "an-old-token-of-the-client", s.client.Token(), "the client's token does not change")
		})
	}
}

func TestTokenWithoutLookupRight(t *testing.T) {
	s := newLoginServer(t)
	s.answer("auth/token/lookup-self", answering(http.StatusForbidden, `{"errors":["permission denied"]}`))
	secret, err := auth.Token(auth.Value(canaryValue(""))).Login(t.Context(), s.client)
	require.NoError(t, err)
	assert.Equal(t, &api.Secret{Auth: &api.SecretAuth{ClientToken: loginCanary}}, secret)
}

func TestInvalidLookupIsUnavailable(t *testing.T) {
	for _, body := range []string{
		`{}`, ``, `{"data":{}}`, `{"data":{"ttl":"canary-hunter2"}}`, `{"data":{"ttl":-1}}`, `{"data":{"ttl":1.5}}`,
		`{"data":{"ttl":99999999999999999999}}`, `{"data":{"ttl":null}}`, `{"auth":{"client_token":"canary-hunter2"}}`,
	} {
		s := newLoginServer(t)
		s.answer("auth/token/lookup-self", answering(http.StatusOK, body))
		s.requireFailure(t, auth.Token(auth.Value(canaryValue(""))), hush.ErrUnavailable, "the response to the token's lookup")
	}
}

// Package vault classifies them.
func TestErrorsOfTheLookupAreReturnedUnchanged(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		s := newLoginServer(t)
		s.answer("auth/token/lookup-self", answering(status, `{"errors":["canary-hunter2"]}`))
		_, err := auth.Token(auth.Value(canaryValue(""))).Login(t.Context(), s.client)
		var answer *api.ResponseError
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, status, answer.StatusCode)
	}
}

func TestInvalidTokensAreRejected(t *testing.T) {
	for text, says := range map[string]string{
		"":                          "the token is empty",
		" \r\n":                     "the token is empty",
		loginCanary + "\nX-Evil: 1": "not a single line of text",
		loginCanary + "\x00":        "not a single line of text",
		loginCanary + "\xff":        "not a single line of text",
		loginCanary + " " + "two":   "a character that is not allowed in a token",
		loginCanary + "é":           "a character that is not allowed in a token",
		`{"token":"canary-hunter2","ttl":60,"creation_path":"sys/wrapping/wrap"}`: "is JSON: use the token alone",
		strings.Repeat(loginCanary, 10_000):                                       "exceeds the limit of 65536 bytes",
	} {
		s := newLoginServer(t)
		s.requireFailure(t, auth.Token(auth.Value(hush.NewValue([]byte(text)))), hush.ErrUnauthenticated, says)
		assert.Empty(t, s.asked(""), "%.30q", text)
	}
}

func TestTokenRequiresACredential(t *testing.T) {
	s := newLoginServer(t)
	s.requireFailure(t, auth.Token(auth.Credential{}), hush.ErrUnauthenticated, "no token to log in with")
	assert.Empty(t, s.asked(""))
}

func TestTokenEnvIsReadForEachLogin(t *testing.T) {
	s := newLoginServer(t)
	method := auth.Token(auth.Env("HUSHTEST_TOKEN"))
	for _, token := range []string{"first-" + loginCanary, " second-" + loginCanary + "\n"} {
		t.Setenv("HUSHTEST_TOKEN", token)
		assert.Equal(t, strings.TrimSpace(token), s.requireLogin(t, method))
	}
	t.Setenv("HUSHTEST_TOKEN", "")
	s.requireFailure(t, method, hush.ErrUnauthenticated, `the environment variable "HUSHTEST_TOKEN" with the token is empty`)
	s.requireFailure(t, auth.Token(auth.Env("HUSHTEST_NOT_SET")), hush.ErrUnauthenticated, `"HUSHTEST_NOT_SET" with the token is not set`)
	s.requireFailure(t, auth.Token(auth.Env("")), hush.ErrUnauthenticated, "has no name")
	_, err := auth.Token(auth.Env(loginCanary)).Login(t.Context(), s.client)
	assert.EqualError(t, err, "vault: unauthenticated: the environment variable with the token is not set", "a token in place of the name is not quoted")
	assert.Len(t, s.asked(""), 2)
}

func TestWrapTTLIsIgnored(t *testing.T) {
	t.Setenv("VAULT_WRAP_TTL", "5m")
	s := newLoginServer(t)
	s.requireLogin(t, auth.Token(auth.Value(canaryValue(""))))
	s.requireLogin(t, auth.AppRole("role", nil))
	s.requireLogin(t, auth.JWT("", &auth.JWTOptions{JWT: auth.Value(canaryValue(""))}))
	require.Len(t, s.asked(""), 3)
	for _, call := range s.asked("") {
		assert.Empty(t, call.header.Get("X-Vault-Wrap-TTL"), call.path)
	}
}

func TestLoginSendsTheNamespace(t *testing.T) {
	s := newLoginServer(t)
	s.client.SetNamespace("team")
	s.requireLogin(t, auth.Token(auth.Value(canaryValue(""))))
	s.requireLogin(t, auth.AppRole("role", nil))
	for _, call := range s.asked("") {
		assert.Equal(t, "team", call.header.Get("X-Vault-Namespace"), call.path)
	}
}
