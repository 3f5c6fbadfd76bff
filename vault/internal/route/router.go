// Package route decides where a Vault client sends its requests and the token in
// them. Everything that keeps the token at the configured addresses is here:
//
//   - A [Router] is the transport of a client. It sends requests only to the addresses
//     that it was made with, and follows redirects only between these.
//   - [Guard] copies a client of the program so that the copy has a Router.
//   - The transport below dials, uses proxies, and speaks TLS. It never prints bytes
//     that it received.
//   - [CheckPath] rejects API paths that could leave their mount.
package route

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/hashicorp/vault/api"
)

// maxRedirects is the maximum number of redirects that one request follows. A standby
// node knows the active node, so that one redirect is normally enough.
const maxRedirects = 2

// A Router is the transport of a client. It sends requests, and the token in them,
// to the client's addresses and to no other host.
//
// If an address cannot be reached or responds that it does not serve, the Router uses
// the next address. The address that served last is used first. The body of a
// response is read completely before the response is returned.
type Router struct {
	next            http.RoundTripper
	origins         []Origin
	noRedirects     bool
	fromEnvironment bool         // the address is that of VAULT_ADDR or VAULT_AGENT_ADDR
	preferred       atomic.Int32 // index of the origin that served last
}

var _ http.RoundTripper = (*Router)(nil)

// CloseIdleConnections closes the idle connections of the transport.
func (r *Router) CloseIdleConnections() {
	if next, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// RoundTrip sends req to one address after another until an address serves it. If none
// does, RoundTrip returns the last response, or the last error if there was no response.
func (r *Router) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if o := newOrigin(req.URL); r.index(o) < 0 {
		return nil, redirectError(o.String(), "it is not an address of the client")
	}
	if err := makeRewindable(req); err != nil {
		return nil, err
	}
	d := dispatch{Router: r, req: req, index: int(r.preferred.Load())}
	for {
		resp, err := d.send()
		if err == nil && resp.StatusCode/100 == 3 {
			if err = d.follow(resp); err == nil {
				continue
			}
			resp = nil
		}
		switch {
		case err == nil && !isUnavailable(resp.StatusCode):
			r.preferred.Store(int32(d.index))
			return resp, nil
		case !d.advance(resp, err):
			return d.resp, d.err
		}
	}
}

// index returns the index of o among the origins, or -1.
func (r *Router) index(o Origin) int {
	for i, known := range r.origins {
		if known.is(o) {
			return i
		}
	}
	return -1
}

// isUnavailable reports whether a status means that this address cannot serve now but
// another address may: a sealed node, or a load balancer without nodes.
func isUnavailable(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// makeRewindable makes sure that the body of req can be sent more than once.
func makeRewindable(req *http.Request) error {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody != nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return err
}

// A dispatch is one request and the addresses that it was sent to.
type dispatch struct {
	*Router
	req       *http.Request
	index     int // of the origin to send the request to
	tried     [maxAddresses]bool
	redirects int
	connected atomic.Bool // there was a connection to the last origin

	// The result if no other address serves the request. One of them is set after the
	// first address failed.
	resp *http.Response
	err  error
}

// send sends the request to the current origin and returns the complete response.
func (d *dispatch) send() (*http.Response, error) {
	req, err := d.readdress()
	if err != nil {
		return nil, err
	}
	resp, err := d.next.RoundTrip(req)
	if err == nil {
		err = readBody(resp)
	}
	if err != nil {
		return nil, bodyError(err)
	}
	resp.Request = d.req
	SetStatus(d.req.Context(), resp.StatusCode)
	return resp, nil
}

// readdress returns the request with the address of the current origin.
func (d *dispatch) readdress() (*http.Request, error) {
	to := d.origins[d.index]
	hasBody := d.req.Body != nil && d.req.Body != http.NoBody
	if !hasBody && len(d.origins) == 1 && d.req.Method == http.MethodGet && d.req.URL.Host == to.host && d.req.Host == to.host {
		return d.req, nil // no copy is needed
	}
	req := d.req.WithContext(d.trace())
	u := *d.req.URL
	u.Scheme, u.Host = to.scheme, to.host
	req.URL, req.Host = &u, to.host
	// A kept connection may have died in a freeze. This header is not sent. It makes
	// net/http retry any method on another connection, as the client would in any case.
	req.Header = d.req.Header.Clone()
	req.Header["Idempotency-Key"] = []string{}
	if !hasBody {
		return req, nil
	}
	var err error
	req.Body, err = d.req.GetBody()
	return req, err
}

// trace returns the request's context. If there are several addresses, the context
// records whether there was a connection. Without a connection, nothing was sent.
func (d *dispatch) trace() context.Context {
	if len(d.origins) == 1 {
		return d.req.Context()
	}
	d.connected.Store(false)
	return httptrace.WithClientTrace(d.req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { d.connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { d.connected.Store(true) },
	})
}

// follow makes the target of a redirect the current origin.
func (d *dispatch) follow(resp *http.Response) error {
	index, err := d.redirectTarget(resp)
	if err == nil {
		d.index = index
		d.redirects++
	}
	return err
}

// redirectTarget returns the index of the origin that resp redirects to. The path of
// the request stays: a standby returns it without its escapes.
func (d *dispatch) redirectTarget(resp *http.Response) (int, error) {
	location, err := resp.Location()
	if err != nil {
		return 0, redirectError("", "the response has no valid Location")
	}
	to := newOrigin(location)
	i := d.Router.index(to)
	switch {
	case !keepsRequest(resp.StatusCode) || location.Path != d.req.URL.Path:
		return 0, redirectError(to.String(), "the path differs")
	case i < 0:
		return 0, redirectError(to.String(), "it is not a configured address")
	case d.noRedirects:
		return 0, redirectError(to.String(), "redirects are disabled")
	case d.tried[i]:
		return 0, redirectError(to.String(), "that address does not serve")
	case d.redirects == maxRedirects:
		return 0, redirectError(to.String(), "too many redirects")
	}
	return i, nil
}

// keepsRequest reports whether a redirect asks for the same request elsewhere.
func keepsRequest(status int) bool {
	return status == http.StatusMovedPermanently || status == http.StatusFound ||
		status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
}

// advance makes the next address the current one and reports whether the request may
// be sent there. Otherwise the result of the dispatch is in d.resp and d.err.
func (d *dispatch) advance(resp *http.Response, err error) bool {
	d.tried[d.index] = true
	unsent := err != nil && !d.connected.Load()
	if !unsent || d.resp == nil && d.err == nil {
		d.resp, d.err = resp, err // a response takes precedence over a failed connection
	}
	ended := d.req.Context().Err()
	if errors.Is(ended, context.Canceled) {
		return false // the caller's decision is not a failure of the address
	}
	next := d.untried()
	d.preferred.CompareAndSwap(int32(d.index), int32(next))
	d.index = next
	return ended == nil && !d.tried[next] && (unsent || resp != nil || isRedirect(err))
}

// untried returns the index of the next origin that was not tried, or of the next one.
func (d *dispatch) untried() int {
	n := len(d.origins)
	for i := 1; i < n; i++ {
		if next := (d.index + i) % n; !d.tried[next] {
			return next
		}
	}
	return (d.index + 1) % n
}

// FromEnvironment reports whether client sends its requests to the address of VAULT_ADDR
// or VAULT_AGENT_ADDR. It is false for a client that another package made.
func FromEnvironment(client *api.Client) bool {
	r, ok := client.CloneConfig().HttpClient.Transport.(*Router)
	to, err := clientOrigin(client.Address())
	return ok && r.fromEnvironment && err == nil && r.index(to) >= 0
}
