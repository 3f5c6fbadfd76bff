// Package vaulttest provides a fake Vault server for tests and benchmarks. The server
// speaks the HTTP API of Vault 1.21 on a loopback socket, so a test runs the official
// client with its retries and its error handling:
//
//	server, err := vaulttest.Start(nil)
//	if err != nil {
//		t.Fatal(err)
//	}
//	defer server.Close()
//	server.Put("secret", "db/prod", map[string]any{"password": "hunter2"})
//	provider := vault.New(server.Client(), nil)
//
// A Server holds KV secrets, tokens, leases and login roles in memory. A test sets them
// with methods such as [Server.Put], [Server.Token], [Server.LeaseRole] and
// [Server.AppRole]. Clients can read secrets but not write them. Status codes and response
// bodies are those of a real server.
//
// [Server.Fail], [Server.Deny], [Server.Seal], [Server.Hang], [Server.Latency] and
// [Server.Break] inject faults. [Server.Calls] and [Server.Counts] report the requests that
// the server received and the operations that it completed.
//
// A mount is named by its path. The path of a mount in a namespace starts with the path of
// the namespace: "team/secret" is the mount "secret" in the namespace "team". A new Server
// has a KV version 2 mount at "secret" and no login roles.
//
// The package does not import package testing, so a program can link it.
package vaulttest

import (
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/test/breakable"
)

// Options are the settings of a Server. The zero value is valid.
type Options struct {
	// Now returns the time for the TTLs of tokens and leases and for the timestamps of
	// secret versions. Nil means time.Now.
	Now func() time.Time
}

// A Server is a fake Vault. Its methods are safe for concurrent use.
type Server struct {
	state hidden.Of[*state] // hidden because it has secrets and tokens
}

// Start starts an unsealed server on a free port of 127.0.0.1. Nil opts means the defaults.
// Start fails only if it cannot listen.
func Start(opts *Options) (*Server, error) {
	now := time.Now
	if opts != nil && opts.Now != nil {
		now = opts.Now
	}
	st := newState(now)
	server, err := breakable.Start(http.HandlerFunc(st.handle))
	if err != nil {
		return nil, err
	}
	st.http = server
	return &Server{hidden.New(st)}, nil
}

// Close closes all connections and stops the server. Later calls do nothing.
func (s *Server) Close() { s.state.Get().http.Close() }

// URL returns the server's address in the format of VAULT_ADDR, such as
// "http://127.0.0.1:40123". Break does not change it.
func (s *Server) URL() string { return s.state.Get().http.URL() }

// Addr returns the host and port that the server listens on.
func (s *Server) Addr() string { return s.state.Get().http.Addr() }

// RootToken returns the root token.
func (s *Server) RootToken() string { return s.state.Get().root }

// Client returns an official client that uses the root token. The client does not retry,
// and ignores proxies, VAULT_HEADERS, VAULT_NAMESPACE and VAULT_MAX_RETRIES. Each client
// has its own connections. Client panics if a VAULT_ variable is invalid, for example
// VAULT_MAX_RETRIES=x.
func (s *Server) Client() *api.Client {
	client, err := api.NewClient(&api.Config{
		Address: s.URL(),
		HttpClient: &http.Client{
			Transport:     &http.Transport{IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Timeout: time.Minute,
	})
	if err != nil {
		panic("vaulttest: cannot create a client: invalid environment; check the VAULT_ variables")
	}
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}}) // overrides VAULT_HEADERS and VAULT_NAMESPACE
	client.SetToken(s.RootToken())
	return client
}
