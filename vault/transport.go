package vault

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	connectTimeout   = 500 * time.Millisecond
	handshakeTimeout = 3 * time.Second
	idleTimeout      = 50 * time.Second // balancers commonly drop a connection after a minute
)

// newTransport returns a transport for the addresses. It speaks HTTP/1 alone: over
// HTTP/2 all requests share a connection, and wait for minutes on one that died in a
// freeze.
func newTransport(opts *ClientOptions, e environment, to where) (*http.Transport, error) {
	config, err := newTLSConfig(opts, e)
	if err != nil {
		return nil, err
	}
	if err := noSRV(e, to); err != nil {
		return nil, err
	}
	proxy, err := e.proxy()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                  through(proxy),
		DialContext:            dialer(to.socket),
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    handshakeTimeout,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    128,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	if to.socket != "" {
		transport.Proxy = nil
	}
	return transport, nil
}

// noSRV refuses to let DNS choose the address, which the official client does for
// one without a port.
func noSRV(e environment, to where) error {
	lookup, _, err := e.flag(api.EnvVaultSRVLookup)
	if err != nil || !lookup || to.socket != "" {
		return err
	}
	for _, at := range to.origins {
		if at.port == "" {
			return fmt.Errorf("%s is true, and SRV records are not looked up: give the addresses with their ports", api.EnvVaultSRVLookup)
		}
	}
	return nil
}

// through returns the choice of a proxy: the one that is meant for Vault, or those
// of the environment, and none for loopback.
func through(proxy *url.URL) func(*http.Request) (*url.URL, error) {
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

// dialer returns the way to connect: to the socket if there is one.
func dialer(socket string) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: connectTimeout}
	if socket == "" {
		return d.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) }
}

// newTLSConfig returns how TLS is spoken.
func newTLSConfig(opts *ClientOptions, e environment) (*tls.Config, error) {
	unverified, err := e.unverified(opts.InsecureSkipVerify)
	if err != nil {
		return nil, err
	}
	serverName, err := e.text("ServerName", opts.ServerName, api.EnvVaultTLSServerName)
	if err != nil {
		return nil, err
	}
	pool, err := trusted(opts, e)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            pool,
		ServerName:         serverName,
		InsecureSkipVerify: unverified, //nolint:gosec // by an option that says so, and logged
	}
	pair, err := clientPair(opts, e)
	if pair != nil {
		config.GetClientCertificate = pair.get
	}
	return config, err
}
