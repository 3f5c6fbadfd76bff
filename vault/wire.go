package vault

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/net/proxy"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/http1"
)

const maxHeader = 64 << 10

// A wire opens connections as an *http.Transport would.
type wire struct{ *http.Transport }

// wireOf returns a transport with the settings of t, and without its habit of
// printing bytes that follow the end of a response. A transport with a setting that
// http1 does not have, and one that is not net/http's, is returned as it is.
func wireOf(t http.RoundTripper) http.RoundTripper {
	standard, ok := t.(*http.Transport)
	if !ok || !isSupported(standard) {
		return t
	}
	w := wire{standard.Clone()}
	return http1.New(http1.Options{
		Dial:        w.dial,
		MaxHeader:   cmp.Or(w.MaxResponseHeaderBytes, maxHeader),
		MaxBody:     maxBody,
		MaxIdle:     cmp.Or(w.MaxIdleConnsPerHost, http.DefaultMaxIdleConnsPerHost),
		IdleTimeout: min(cmp.Or(w.IdleConnTimeout, idleTimeout), idleTimeout),
	})
}

// isSupported reports whether http1 has all settings of t. HTTP/2 is not missed: all
// requests would share a connection, and wait for minutes if it died in a freeze.
func isSupported(t *http.Transport) bool {
	//lint:ignore SA1019 net/http still uses these fields
	return t.Dial == nil && t.DialTLS == nil && //nolint:staticcheck // see above
		t.MaxConnsPerHost == 0 && t.ResponseHeaderTimeout == 0 && !t.DisableKeepAlives &&
		t.ProxyConnectHeader == nil && t.GetProxyConnectHeader == nil && t.OnProxyConnectResponse == nil
}

// dial opens a connection to the host of to, through a proxy if there is one for it.
func (w wire) dial(ctx context.Context, to *url.URL) (net.Conn, error) {
	var through *url.URL
	if w.Proxy != nil {
		var err error
		if through, err = w.Proxy(&http.Request{Method: http.MethodGet, URL: to, Header: http.Header{}}); err != nil {
			return nil, fail(hush.ErrUnavailable, "the URL of the proxy is not valid")
		}
	}
	address := newOrigin(to).address()
	switch {
	case through != nil:
		return w.dialProxy(ctx, through, to, address)
	case to.Scheme == "https" && w.DialTLSContext != nil:
		return w.DialTLSContext(ctx, "tcp", address)
	}
	conn, err := w.connect(ctx, "tcp", address)
	if err == nil && to.Scheme == "https" {
		return w.handshake(ctx, conn, to.Hostname())
	}
	return conn, err
}

func (w wire) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if w.DialContext != nil {
		return w.DialContext(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// dialProxy opens a connection through a proxy. A request for http is forwarded by
// an HTTP proxy; everything else goes through a tunnel.
func (w wire) dialProxy(ctx context.Context, through, to *url.URL, address string) (net.Conn, error) {
	var conn net.Conn
	var err error
	switch through.Scheme {
	case "socks5", "socks5h":
		conn, err = w.dialSOCKS(ctx, through, address)
	case "http", "https":
		conn, err = w.connect(ctx, "tcp", proxyAddress(through))
		if err == nil && through.Scheme == "https" {
			conn, err = w.handshake(ctx, conn, through.Hostname())
		}
		if err == nil && to.Scheme == "http" {
			return &http1.Forwarding{Conn: conn, Header: authorization(through)}, nil
		}
		if err == nil {
			conn, err = tunnel(ctx, conn, authorization(through), address)
		}
	default:
		return nil, fail(hush.ErrUnavailable, "the URL of the proxy has an unsupported scheme: use http, https or socks5")
	}
	if err == nil && to.Scheme == "https" {
		return w.handshake(ctx, conn, to.Hostname())
	}
	return conn, err
}

// A socksDialer makes proxy.SOCKS5 dial as the wire does.
type socksDialer struct{ wire }

func (d socksDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.connect(ctx, network, address)
}

func (d socksDialer) Dial(network, address string) (net.Conn, error) {
	return d.connect(context.Background(), network, address)
}

func (w wire) dialSOCKS(ctx context.Context, through *url.URL, address string) (net.Conn, error) {
	var auth *proxy.Auth
	if through.User != nil {
		password, _ := through.User.Password()
		auth = &proxy.Auth{User: through.User.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", proxyAddress(through), auth, socksDialer{w})
	if err != nil {
		return nil, err
	}
	contextual, ok := dialer.(proxy.ContextDialer)
	if !ok {
		return nil, errors.New("the SOCKS dialer does not obey a context")
	}
	return contextual.DialContext(ctx, "tcp", address)
}

// handshake adds TLS to conn, which it closes if that fails.
func (w wire) handshake(ctx context.Context, conn net.Conn, server string) (net.Conn, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if w.TLSClientConfig != nil {
		config = w.TLSClientConfig.Clone()
	}
	config.ServerName = cmp.Or(config.ServerName, server)
	config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(p string) bool { return p == "h2" })
	if w.TLSHandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.TLSHandshakeTimeout)
		defer cancel()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// tunnel makes a proxy connect conn to address. It closes conn if that fails.
func tunnel(ctx context.Context, conn net.Conn, header http.Header, address string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := requestTunnel(conn, header, address)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func requestTunnel(conn net.Conn, header http.Header, address string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: header}
	if err := req.Write(conn); err != nil {
		return err
	}
	// No byte of the tunnel is lost in the reader: in TLS, the client speaks first.
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHeader)), req) //nolint:bodyclose // what follows is the tunnel
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fail(hush.ErrUnavailable, "the proxy does not connect to Vault (status %d)", resp.StatusCode)
	}
	return nil
}

// authorization returns the header with the credentials in the URL of a proxy.
func authorization(through *url.URL) http.Header {
	header := http.Header{}
	if through.User != nil {
		password, _ := through.User.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(through.User.Username() + ":" + password))
		header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	return header
}

// proxyAddress returns the host and the port of a proxy.
func proxyAddress(through *url.URL) string {
	port := through.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[through.Scheme]
	}
	return net.JoinHostPort(through.Hostname(), port)
}
