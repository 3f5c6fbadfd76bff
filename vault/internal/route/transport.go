package route

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hush-secrets/hush/internal/http1"
)

const (
	connectTimeout   = 500 * time.Millisecond
	handshakeTimeout = 3 * time.Second
	idleTimeout      = 50 * time.Second // load balancers commonly drop a connection after a minute
	maxHeader        = 64 << 10
	maxIdle          = 128
)

// Options are the settings of a Router.
type Options struct {
	TLS             *tls.Config
	Proxy           *url.URL // nil means the proxy of HTTPS_PROXY and similar variables
	NoRedirects     bool     // no redirect is followed
	FromEnvironment bool     // the address is that of VAULT_ADDR or VAULT_AGENT_ADDR
}

// New returns a Router to the addresses of to. It uses only HTTP/1. With HTTP/2, all
// requests would share a connection and wait for minutes if it died in a freeze.
func New(to Destination, opts Options) *Router {
	transport := &http.Transport{
		Proxy:                  chooseProxy(opts.Proxy),
		DialContext:            dialFunc(to.Socket),
		TLSClientConfig:        opts.TLS,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}
	if to.Socket != "" {
		transport.Proxy = nil
	}
	return &Router{
		next: quiet(transport), origins: to.Origins,
		noRedirects: opts.NoRedirects, fromEnvironment: opts.FromEnvironment,
	}
}

// chooseProxy returns a proxy function: proxy, or that of the environment if it is nil.
// Loopback requests use no proxy.
func chooseProxy(proxy *url.URL) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		switch {
		case newOrigin(req.URL).isLoopback():
			return nil, nil
		case proxy != nil:
			return proxy, nil
		}
		return http.ProxyFromEnvironment(req)
	}
}

// dialFunc returns a dial function. It connects to the socket if there is one.
func dialFunc(socket string) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: connectTimeout}
	if socket == "" {
		return d.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) }
}

// quiet returns a transport with the settings of t that does not print bytes that
// follow the end of a response, as net/http does. A transport that is not net/http's, or
// that has a setting without an equivalent in http1, is returned unchanged.
func quiet(t http.RoundTripper) http.RoundTripper {
	standard, ok := t.(*http.Transport)
	if !ok || !isSupported(standard) {
		return t
	}
	d := dialer{standard.Clone()}
	return http1.New(http1.Options{
		Dial:        d.dial,
		MaxHeader:   cmp.Or(d.MaxResponseHeaderBytes, maxHeader),
		MaxBody:     maxBody,
		MaxIdle:     cmp.Or(d.MaxIdleConnsPerHost, http.DefaultMaxIdleConnsPerHost),
		IdleTimeout: min(cmp.Or(d.IdleConnTimeout, idleTimeout), idleTimeout),
	})
}

// isSupported reports whether http1 has an equivalent for each setting of t that
// matters. HTTP/2 is left out on purpose: see New.
func isSupported(t *http.Transport) bool {
	//lint:ignore SA1019 net/http still uses these fields
	return t.Dial == nil && t.DialTLS == nil && //nolint:staticcheck // see above
		t.MaxConnsPerHost == 0 && t.ResponseHeaderTimeout == 0 && !t.DisableKeepAlives &&
		t.ProxyConnectHeader == nil && t.GetProxyConnectHeader == nil && t.OnProxyConnectResponse == nil
}
