// Package vaultserver runs a real Vault in the process of a test, from HashiCorp's module. The
// storage is in memory. The loopback address stays the same when the server is sealed, stopped
// or restarted.
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

// A Server is a Vault. Its methods fail the test that started it if an operation fails. They
// are safe for concurrent use, except Seal, Unseal, Stop, Resume and Restart.
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

	clientOnce sync.Once
	client     *api.Client // of rootClient
}

// Start starts an initialized and unsealed Vault. The end of tb shuts it down.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, "http", nil, nil)
}

// StartTLS is Start with a self-signed certificate for 127.0.0.1; see CA.
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
	s.front.setHandler(handlerOf(s.core))
	tb.Cleanup(func() {
		if s.listening() {
			s.Stop()
		}
	})
	return s
}

// URL returns the address of the server.
func (s *Server) URL() string { return s.scheme + "://" + s.front.address }

// CA returns the certificate of the CA in PEM, or nil without TLS.
func (s *Server) CA() []byte { return s.ca }

// Root returns the root token.
func (s *Server) Root() string { return s.root }

// Client returns a new official client with the root token. The end of the test closes its
// connections.
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

// Calls returns the number of requests whose path, including /v1, matches pattern by the rules
// of path.Match.
func (s *Server) Calls(pattern string) int {
	return s.front.count(func(c call) bool { return s.matches(pattern, c) })
}

// CallsIn is Calls for requests with the header of namespace.
func (s *Server) CallsIn(namespace, pattern string) int {
	return s.front.count(func(c call) bool { return c.namespace == namespace && s.matches(pattern, c) })
}

func (s *Server) matches(pattern string, c call) bool {
	ok, err := path.Match(pattern, c.path)
	require.NoError(s.tb, err)
	return ok
}

// Logins returns the number of login requests, including failed ones.
func (s *Server) Logins() int { return s.Calls("/v1/auth/*/login") }

// Connections returns the number of open connections.
func (s *Server) Connections() int { return s.front.connections() }

// Seal seals the Vault. It continues to listen.
func (s *Server) Seal() {
	s.tb.Helper()
	require.NoError(s.tb, s.running().Seal(s.root))
}

// Unseal unseals the Vault.
func (s *Server) Unseal() {
	s.tb.Helper()
	unsealed, err := s.running().Unseal(s.key)
	require.NoError(s.tb, err)
	require.True(s.tb, unsealed)
}

// Stop closes the listener and all connections.
func (s *Server) Stop() {
	s.tb.Helper()
	require.NoError(s.tb, s.front.close())
}

// Resume listens again after Stop.
func (s *Server) Resume() {
	s.tb.Helper()
	require.NoError(s.tb, s.front.listen(context.WithoutCancel(s.tb.Context())))
}

// Restart shuts the Vault down and starts a new one with the same storage, including tokens and
// leases. It closes all connections.
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
	s.front.setHandler(handlerOf(core))
	s.Resume()
}

// Hang makes the server accept requests without responding until restore is called.
func (s *Server) Hang() (restore func()) { return s.front.hang() }

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
