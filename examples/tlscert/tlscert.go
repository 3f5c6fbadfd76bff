// Package tlscert is an example to copy: a TLS server or client whose certificate and
// key are a secret, and which goes on through a rotation of them without a restart.
//
// The secret is PEM: the certificate, those that it was signed with, and its private
// key. The store is asked for each handshake, so put a cache in front of it, which
// also says for how long the pair is used while the store is away.
package tlscert

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"

	"github.com/hush-secrets/hush"
)

// A Pair is a certificate and its key, as the secret has them now.
type Pair struct {
	secrets hush.Provider
	ref     hush.Ref
	broken  func(error)

	mu   sync.Mutex
	seen hush.Value              // what was parsed last
	err  error                   // what is wrong with that
	cert func() *tls.Certificate // the last good one, or nil; a func, so that printing a Pair does not show the key
}

// New returns the Pair that ref names in secrets.
//
// A version that holds no certificate with its key does not take the place of the one
// before it. broken is told of each such version, once, by the handshake that met it;
// nil tells nobody.
func New(secrets hush.Provider, ref hush.Ref, broken func(error)) *Pair {
	if broken == nil {
		broken = func(error) {}
	}
	return &Pair{secrets: secrets, ref: ref, broken: broken}
}

// GetCertificate is a tls.Config's, for a server. A Config that has Certificates, too,
// prefers those for a client that names no host.
func (p *Pair) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return p.Get(hello.Context())
}

// GetClientCertificate is a tls.Config's, for a client.
func (p *Pair) GetClientCertificate(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return p.Get(request.Context())
}

// Get returns the pair, which the caller does not change. Its error is the store's, or
// ErrUnavailable if no version yet held a certificate with its key.
func (p *Pair) Get(ctx context.Context) (*tls.Certificate, error) {
	secret, err := p.secrets.Get(ctx, p.ref)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	isNew := p.see(secret)
	cert, err := p.cert, p.err
	p.mu.Unlock()
	if isNew && err != nil {
		p.broken(err)
	}
	if cert == nil {
		return nil, err
	}
	return cert(), nil
}

// see parses s, unless it is what was parsed last, and reports whether it did.
func (p *Pair) see(s hush.Secret) bool {
	if (p.cert != nil || p.err != nil) && s.Value.Equal(p.seen) {
		return false
	}
	p.seen = s.Value
	text := s.Value.RevealBytes()
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		// What the parser says may quote the secret.
		p.err = hush.NewError(s.Source, p.ref, hush.ErrUnavailable,
			fmt.Errorf("version %q is not a certificate with its private key, in PEM", s.Version))
		return true
	}
	p.cert, p.err = func() *tls.Certificate { return &pair }, nil
	return true
}
