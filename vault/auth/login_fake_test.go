package auth_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

// loginCanary is in each credential of the tests of the login methods. No error contains
// it.
const loginCanary = "canary-hunter2"

// A loginCall is a request that a loginServer received.
type loginCall struct {
	path, token string
	header      http.Header
	body        map[string]any
}

// A loginServer responds by path and records its requests.
type loginServer struct {
	client *api.Client

	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	calls   []loginCall
}

// newLoginServer starts a server that accepts each login and each lookup of a token.
func newLoginServer(t *testing.T) *loginServer {
	t.Helper()
	s := &loginServer{answers: map[string]http.HandlerFunc{
		"auth/token/lookup-self": answering(http.StatusOK, `{"data":{"ttl":3600,"renewable":true}}`),
	}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	config := api.DefaultConfig()
	config.Address, config.MaxRetries = server.URL, 0
	client, err := api.NewClient(config)
	require.NoError(t, err)
	client.SetToken("an-old-token-of-the-client")
	s.client = client
	return s
}

func (s *loginServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := loginCall{path: r.URL.Path[len("/v1/"):], token: r.Header.Get("X-Vault-Token"), header: r.Header}
	text, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(text, &call.body)
	s.mu.Lock()
	s.calls = append(s.calls, call)
	answer, ok := s.answers[call.path]
	s.mu.Unlock()
	if !ok {
		answer = answering(http.StatusOK, `{"auth":{"client_token":"new-token","lease_duration":60,"renewable":true}}`)
	}
	answer(w, r)
}

func (s *loginServer) answer(path string, handler http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = handler
}

// asked returns the requests for path. Empty means all.
func (s *loginServer) asked(path string) []loginCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	var calls []loginCall
	for _, call := range s.calls {
		if path == "" || path == call.path {
			calls = append(calls, call)
		}
	}
	return calls
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// requireFailure requires that method fails with an error of its own that contains says and
// quotes no credential.
func (s *loginServer) requireFailure(t *testing.T, method api.AuthMethod, class hush.Class, says string) {
	t.Helper()
	secret, err := method.Login(t.Context(), s.client)
	require.Error(t, err)
	assert.Nil(t, secret)
	assert.Equal(t, class, hush.ClassOf(err), "%v", err)
	var own *hush.Error
	assert.ErrorAs(t, err, &own)
	assert.ErrorContains(t, err, says)
	assert.Empty(t, providertest.Leaks(err, loginCanary))
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", method, method, method), loginCanary)
}

// requireLogin requires a login and returns the token.
func (s *loginServer) requireLogin(t *testing.T, method api.AuthMethod) string {
	t.Helper()
	secret, err := method.Login(t.Context(), s.client)
	require.NoError(t, err)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", method, method, method), loginCanary)
	return secret.Auth.ClientToken
}

func canaryValue(suffix string) hush.Value { return hush.NewValue([]byte(loginCanary + suffix)) }
