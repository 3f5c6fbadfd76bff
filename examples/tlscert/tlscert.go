// Package tlscert is an example to copy: a TLS server or client whose certificate and
// private key are a secret. A rotation needs no restart.
//
// The secret is PEM text with the certificate, its chain and its private key. Each
// handshake reads the secret, so put a cache in front of the store. The cache also
// decides how long the pair is used during an outage of the store.
package tlscert

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"

	"github.com/hush-secrets/hush"
)

// A Pair is the current certificate with its private key.
type Pair struct {
	secrets hush.Provider
	ref     hush.Ref
	onError func(error)

	mu     sync.Mutex
	parsed hush.Value              // the last value that was parsed
	err    error                   // why it is invalid
	cert   func() *tls.Certificate // the last valid pair, or nil; a func, so that printing a Pair does not show the key
}

// New returns the Pair that ref names in secrets.
//
// An invalid version of the secret does not replace the version before it. The first
// handshake with an invalid version calls onError. Nil means no function.
func New(secrets hush.Provider, ref hush.Ref, onError func(error)) *Pair {
	if onError == nil {
		onError = func(error) {}
	}
	return &Pair{secrets: secrets, ref: ref, onError: onError}
}

// GetCertificate is for the tls.Config of a server. If that Config also has Certificates,
// the server uses these for a client that does not send a host name.
func (p *Pair) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return p.Get(hello.Context())
}

// GetClientCertificate is for the tls.Config of a client.
func (p *Pair) GetClientCertificate(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return p.Get(request.Context())
}

// Get returns the pair. Do not change it. Get returns the error of the store, or
// ErrUnavailable if no version was valid yet.
func (p *Pair) Get(ctx context.Context) (*tls.Certificate, error) {
	secret, err := p.secrets.Get(ctx, p.ref)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	isNew := p.parse(secret)
	cert, err := p.cert, p.err
	p.mu.Unlock()
	if isNew && err != nil {
		p.onError(err)
	}
	if cert == nil {
		return nil, err
	}
	return cert(), nil
}

// parse parses s and reports true, unless s has the value that was parsed last.
func (p *Pair) parse(s hush.Secret) bool {
	if (p.cert != nil || p.err != nil) && s.Value.Equal(p.parsed) {
		return false
	}
	p.parsed = s.Value
	text := s.Value.RevealBytes()
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		// The error of the parser may quote the secret.
		p.err = hush.NewError(s.Source, p.ref, hush.ErrUnavailable,
			fmt.Errorf("version %q is not a certificate with its private key, in PEM", s.Version))
		return true
	}
	p.cert, p.err = func() *tls.Certificate { return &pair }, nil
	return true
}
