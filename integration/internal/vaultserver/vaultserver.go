// Package vaultserver runs a real Vault, of HashiCorp's own module, in the process
// of a test: over storage in memory, on a loopback address that stays when it is
// sealed, restarted or gone for a while.
package vaultserver

import (
	"context"
	"crypto/tls"
	"net/http"
	"path"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A Server is a Vault that is initialized, unsealed and listening. Its methods end
// the test that started it if something goes wrong. They may be called by many
// goroutines, those that change its state by one at a time.
type Server struct {
	tb      testing.TB
	scheme  string
	ca      []byte
	storage physical.Backend
	key     []byte
	root    string
	front   *front

	mu   sync.Mutex
	core *vault.Core

	own    sync.Once
	client *api.Client // of rootClient
}

// Start starts a Vault that tb's end shuts down.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, "http", nil, nil)
}

// StartTLS is Start with a certificate for 127.0.0.1 of an unknown CA; see CA.
func StartTLS(tb testing.TB) *Server {
	tb.Helper()
	config, ca, err := newCertificate()
	require.NoError(tb, err)
	return start(tb, "https", config, ca)
}

func start(tb testing.TB, scheme string, config *tls.Config, ca []byte) *Server {
	tb.Helper()
	storage, err := inmem.NewInmem(nil, hclog.NewNullLogger())
	require.NoError(tb, err)
	s := &Server{tb: tb, scheme: scheme, ca: ca, storage: storage}
	s.core, err = newCore(storage)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, s.running().ShutdownWait()) })
	s.key, s.root, err = initialize(context.WithoutCancel(tb.Context()), s.core)
	require.NoError(tb, err)
	s.Unseal()
	s.front, err = newFront(tb.Context(), config)
	require.NoError(tb, err)
	s.front.put(handlerOf(s.core))
	tb.Cleanup(func() {
		if s.listening() {
			s.Stop()
		}
	})
	return s
}

// URL returns the server's address, as a client wants it.
func (s *Server) URL() string { return s.scheme + "://" + s.front.address }

// CA returns the certificate of the CA in PEM, or nil without TLS.
func (s *Server) CA() []byte { return s.ca }

// Root returns the token that may do all.
func (s *Server) Root() string { return s.root }

// Client returns a client of its own with the root token. It is the official one as
// it comes, and its connections are the caller's to close, with those of the
// transport that it has.
func (s *Server) Client() *api.Client {
	s.tb.Helper()
	return s.ClientWith(s.root)
}

// ClientWith is Client with another token.
func (s *Server) ClientWith(token string) *api.Client {
	s.tb.Helper()
	config := api.DefaultConfig()
	require.NoError(s.tb, config.Error)
	config.Address = s.URL()
	if s.ca != nil {
		require.NoError(s.tb, config.ConfigureTLS(&api.TLSConfig{CACertBytes: s.ca}))
	}
	client, err := api.NewClient(config)
	require.NoError(s.tb, err)
	client.SetToken(token)
	if transport, ok := config.HttpClient.Transport.(*http.Transport); ok {
		s.tb.Cleanup(transport.CloseIdleConnections)
	}
	return client
}

// Calls returns how many calls came in whose path, /v1 included, matches pattern as
// path.Match has it.
func (s *Server) Calls(pattern string) int {
	return s.front.count(func(c call) bool { return s.matches(pattern, c) })
}

// CallsIn is Calls for those whose header names that namespace.
func (s *Server) CallsIn(namespace, pattern string) int {
	return s.front.count(func(c call) bool { return c.namespace == namespace && s.matches(pattern, c) })
}

func (s *Server) matches(pattern string, c call) bool {
	ok, err := path.Match(pattern, c.path)
	require.NoError(s.tb, err)
	return ok
}

// Logins returns how many calls came in to log in, whatever the answer was.
func (s *Server) Logins() int { return s.Calls("/v1/auth/*/login") }

// Connections returns how many connections are open.
func (s *Server) Connections() int { return s.front.connections() }

// Seal seals the Vault, which goes on to listen.
func (s *Server) Seal() {
	s.tb.Helper()
	require.NoError(s.tb, s.running().Seal(s.root))
}

// Unseal undoes Seal.
func (s *Server) Unseal() {
	s.tb.Helper()
	open, err := s.running().Unseal(s.key)
	require.NoError(s.tb, err)
	require.True(s.tb, open, "one share unseals")
}

// Stop closes the listener and every connection.
func (s *Server) Stop() {
	s.tb.Helper()
	require.NoError(s.tb, s.front.close())
}

// Resume undoes Stop.
func (s *Server) Resume() {
	s.tb.Helper()
	require.NoError(s.tb, s.front.listen(context.WithoutCancel(s.tb.Context())))
}

// Restart puts a new Vault over the storage of the one that it shuts down. What is
// stored stays, tokens and leases included; connections do not.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	require.NoError(s.tb, s.running().ShutdownWait())
	core, err := newCore(s.storage)
	require.NoError(s.tb, err)
	s.mu.Lock()
	s.core = core
	s.mu.Unlock()
	s.Unseal()
	s.front.put(handlerOf(core))
	s.Resume()
}

// Hang makes the server take calls and not answer until goOn is called.
func (s *Server) Hang() (goOn func()) { return s.front.hang() }

func (s *Server) running() *vault.Core {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core
}

func (s *Server) listening() bool {
	s.front.mu.Lock()
	defer s.front.mu.Unlock()
	return s.front.server != nil
}
