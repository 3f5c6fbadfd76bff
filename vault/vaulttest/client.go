package vaulttest

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"
)

// Client returns an official client with the server's root token, without
// retries, proxies or anything that the machine's VAULT_ variables say. Each has
// connections of its own. It panics if a variable is such that no client can be
// made at all, as VAULT_MAX_RETRIES=x is.
func (s *Server) Client() *api.Client {
	transport := &http.Transport{TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 64}
	if s.secured.Get() != nil {
		transport.TLSClientConfig = s.ClientTLS()
	}
	client, err := api.NewClient(&api.Config{
		Address: s.URL(),
		HttpClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Timeout: time.Minute,
	})
	if err != nil {
		panic("vaulttest: no client can be made: check the VAULT_ variables of this process")
	}
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}}) // not what VAULT_HEADERS and VAULT_NAMESPACE say
	client.SetToken(s.RootToken())
	return client
}

// CA returns the certificate of the server's authority as PEM; nil without TLS.
func (s *Server) CA() []byte {
	if s.secured.Get() == nil {
		return nil
	}
	return s.secured.Get().root
}

// ClientCertificate returns a certificate of the server's authority for a client,
// and its key, as PEM; nil without TLS.
func (s *Server) ClientCertificate() (cert, key []byte) {
	if s.secured.Get() == nil {
		return nil, nil
	}
	return s.secured.Get().clientCert, s.secured.Get().clientKey
}

// ClientTLS returns what a client needs to be trusted and to trust; nil without
// TLS.
func (s *Server) ClientTLS() *tls.Config {
	if s.secured.Get() == nil {
		return nil
	}
	return s.secured.Get().client.Clone()
}
