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

// loginCanary is in every credential of the tests of the login methods, and in no
// error.
const loginCanary = "canary-hunter2"

// A loginCall is what a server of logins was asked.
type loginCall struct {
	path, token string
	header      http.Header
	body        map[string]any
}

// A loginServer answers by path, and keeps what it was asked.
type loginServer struct {
	client *api.Client

	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	calls   []loginCall
}

// newLoginServer starts a server that lets anybody log in anywhere and look up any
// token.
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

// asked returns the calls for path; all for "".
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

// refuses checks that method cannot log in by a fault of its own, which says so in
// those words and quotes no credential.
func (s *loginServer) refuses(t *testing.T, method api.AuthMethod, class hush.Class, says string) {
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

// logsIn logs in and returns the token.
func (s *loginServer) logsIn(t *testing.T, method api.AuthMethod) string {
	t.Helper()
	secret, err := method.Login(t.Context(), s.client)
	require.NoError(t, err)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", method, method, method), loginCanary)
	return secret.Auth.ClientToken
}

func canaryValue(suffix string) hush.Value { return hush.NewValue([]byte(loginCanary + suffix)) }
