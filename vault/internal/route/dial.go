package route

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/net/proxy"

	"github.com/hush-secrets/hush/internal/http1"
)

// A dialer opens connections with the settings of an *http.Transport.
type dialer struct{ *http.Transport }

// dial opens a connection to the host of to, through a proxy if one is configured.
func (d dialer) dial(ctx context.Context, to *url.URL) (net.Conn, error) {
	var via *url.URL
	if d.Proxy != nil {
		var err error
		if via, err = d.Proxy(&http.Request{Method: http.MethodGet, URL: to, Header: http.Header{}}); err != nil {
			return nil, &Error{reason: "the URL of the proxy is not valid"}
		}
	}
	address := newOrigin(to).dialAddress()
	if via == nil && to.Scheme == "https" && d.DialTLSContext != nil {
		return d.DialTLSContext(ctx, "tcp", address)
	}
	conn, err := d.open(ctx, via, to, address)
	if err == nil && to.Scheme == "https" {
		return d.handshake(ctx, conn, to.Hostname())
	}
	return conn, err
}

// open opens a connection to address without TLS, through the proxy via unless it is nil.
func (d dialer) open(ctx context.Context, via, to *url.URL, address string) (net.Conn, error) {
	switch {
	case via == nil:
		return d.connect(ctx, "tcp", address)
	case via.Scheme == "socks5" || via.Scheme == "socks5h":
		return d.dialSOCKS(ctx, via, address)
	case via.Scheme != "http" && via.Scheme != "https":
		return nil, &Error{reason: "the URL of the proxy has an unsupported scheme: use http, https or socks5"}
	}
	conn, err := d.connect(ctx, "tcp", net.JoinHostPort(via.Hostname(), cmp.Or(via.Port(), newOrigin(via).portNumber())))
	if err == nil && via.Scheme == "https" {
		conn, err = d.handshake(ctx, conn, via.Hostname())
	}
	switch {
	case err != nil:
		return nil, err
	case to.Scheme == "http": // the proxy forwards the requests
		return &http1.Forwarding{Conn: conn, Header: proxyAuthorization(via)}, nil
	}
	return openTunnel(ctx, conn, proxyAuthorization(via), address)
}

func (d dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if d.DialContext != nil {
		return d.DialContext(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// A forward is a dialer for package proxy.
type forward struct{ dialer }

func (f forward) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f.connect(ctx, network, address)
}

func (f forward) Dial(network, address string) (net.Conn, error) {
	return f.connect(context.Background(), network, address)
}

func (d dialer) dialSOCKS(ctx context.Context, via *url.URL, address string) (net.Conn, error) {
	socks, err := proxy.FromURL(via, forward{d})
	if err != nil {
		return nil, err
	}
	contextual, ok := socks.(proxy.ContextDialer)
	if !ok {
		return nil, errors.New("the SOCKS dialer does not accept a context")
	}
	return contextual.DialContext(ctx, "tcp", address)
}

// handshake adds TLS to conn. It closes conn if that fails.
func (d dialer) handshake(ctx context.Context, conn net.Conn, server string) (net.Conn, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.TLSClientConfig != nil {
		config = d.TLSClientConfig.Clone()
	}
	config.ServerName = cmp.Or(config.ServerName, server)
	config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(p string) bool { return p == "h2" })
	if d.TLSHandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.TLSHandshakeTimeout)
		defer cancel()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// openTunnel makes a proxy connect conn to address. It closes conn if that fails.
func openTunnel(ctx context.Context, conn net.Conn, header http.Header, address string) (net.Conn, error) {
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
	// The reader cannot swallow bytes of the tunnel, because in TLS the client speaks first.
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHeader)), req) //nolint:bodyclose // the tunnel follows
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &Error{reason: fmt.Sprintf("the proxy does not connect to Vault (status %d)", resp.StatusCode)}
	}
	return nil
}

// proxyAuthorization returns a header with the credentials in the URL of a proxy.
func proxyAuthorization(via *url.URL) http.Header {
	header := http.Header{}
	if via.User != nil {
		password, _ := via.User.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(via.User.Username() + ":" + password))
		header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	return header
}
