// Package vaulttest is a Vault for tests and benchmarks: a server that speaks the
// HTTP API of Vault 1.21 over a real loopback socket, so that the official
// client, with its retries, its redirects and its errors, is what is tested.
//
//	server, err := vaulttest.Start(nil)
//	...
//	defer server.Close()
//	server.Put("secret", "db/prod", map[string]any{"password": "hunter2"})
//	provider := vault.New(server.Client(), nil)
//
// It keeps KV secrets of both versions, tokens with their lifetimes, logins,
// wrapped answers and leases in memory, on a clock that a test can set, and fails
// as it is told: see [Server.Fail], [Server.Deny], [Server.Seal],
// [Server.Throttle], [Server.Hang] and [Server.Break]. It reads secrets and does
// not write them over the wire. Statuses and bodies were compared with those of a
// real server.
//
// A mount, of secrets or of logins, is named by its path. One in a namespace has
// the namespace's path in front: "team/secret" is the mount "secret" of the
// namespace "team". There are a KV mount version 2 at "secret" and no logins to
// begin with.
//
// The package imports no testing package, so that a program can link it.
package vaulttest

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/test/breakable"
)

// Options are the settings of a Server. The zero value is the default.
type Options struct {
	// Now is the clock that tokens, leases and versions go by. Nil: time.Now.
	Now func() time.Time

	// TLS makes the server speak https with a certificate for 127.0.0.1 and
	// localhost that the authority of Server.CA signed.
	TLS bool

	// ClientCert, with TLS, refuses a client without a certificate of the same
	// authority, such as Server.ClientCertificate.
	ClientCert bool
}

// A Server is a Vault. Its methods may be called at any time, from any goroutine.
type Server struct {
	http    hidden.Of[*breakable.Server] // whose connections have buffers
	secured hidden.Of[*authority]        // nil without TLS
	store   hidden.Of[*store]
	faults  hidden.Of[*faults] // which have bodies of responses
	calls   hidden.Of[*calls]
}

// Start listens on a free port of 127.0.0.1 and serves, unsealed, until Close. It
// fails only if there is no port to be had.
func Start(opts *Options) (*Server, error) {
	if opts == nil {
		opts = &Options{}
	}
	s := &Server{store: hidden.New(newStore(opts.Now)), faults: hidden.New(&faults{}), calls: hidden.New(&calls{})}
	var config *tls.Config
	if opts.TLS {
		made, err := newAuthority(opts.ClientCert)
		if err != nil {
			return nil, err
		}
		s.secured, config = hidden.New(made), made.server
	}
	server, err := breakable.Start(http.HandlerFunc(s.handle), config)
	if err != nil {
		return nil, err
	}
	s.http = hidden.New(server)
	return s, nil
}

// URL returns the server's address as VAULT_ADDR has it, such as
// http://127.0.0.1:40123. It stays the same across Break.
func (s *Server) URL() string { return s.http.Get().URL() }

// Addr returns the host and port that the server listens on.
func (s *Server) Addr() string { return s.http.Get().Addr() }

// Close ends every call and stops the server for good. Later calls do nothing.
func (s *Server) Close() { s.http.Get().Close() }
