package vault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/hush-secrets/hush/internal/httpbody"
)

// maxAddresses bounds the addresses of a client: more nodes than a cluster has.
const maxAddresses = 16

// maxFollowed is how many redirects one request follows: a standby knows the active
// node, and two are one more than it takes.
const maxFollowed = 2

// A router is the transport of a client. It sends requests, and the token in them,
// to its addresses and to no other host, wherever an answer redirects.
//
// An address that cannot be reached, or that says that it does not serve, is passed
// over for the next, and the one that answered is asked first afterwards. Each
// answer is there whole before it is returned.
type router struct {
	next      http.RoundTripper
	addresses []origin
	stay      bool // follow no redirect at all

	fromEnvironment bool // the address is that of VAULT_ADDR or VAULT_AGENT_ADDR
	good            atomic.Int32
}

var _ http.RoundTripper = (*router)(nil)

// CloseIdleConnections closes those of the transport below.
func (r *router) CloseIdleConnections() {
	if below, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		below.CloseIdleConnections()
	}
}

// RoundTrip sends req to one address after another until one of them serves it.
// Without any, the last answer that there was is returned, or the last error.
func (r *router) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if !r.knows(req.URL) {
		return nil, &redirectError{newOrigin(req.URL).String(), "the request is for an address that the client was not made with"}
	}
	if err := rewindable(req); err != nil {
		return nil, err
	}
	t := trip{router: r, req: req, at: int(r.good.Load())}
	for {
		resp, err := t.send()
		if err == nil && resp.StatusCode/100 == 3 {
			if err = t.follow(resp); err == nil {
				continue
			}
			resp = nil
		}
		switch {
		case err == nil && !isAway(resp.StatusCode):
			r.good.Store(int32(t.at))
			return resp, nil
		case !t.pass(resp, err):
			return t.resp, t.err
		}
	}
}

// knows reports whether u is at one of the addresses.
func (r *router) knows(u *url.URL) bool { return r.index(newOrigin(u)) >= 0 }

// index returns which address o is, or -1.
func (r *router) index(o origin) int {
	for i, a := range r.addresses {
		if a.is(o) {
			return i
		}
	}
	return -1
}

// isAway reports whether an answer says that this address does not serve now and
// another may: a sealed node, a balancer without nodes.
func isAway(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// rewindable makes sure that the body of req can be sent more than once.
func rewindable(req *http.Request) error {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody != nil {
		return nil
	}
	whole, err := io.ReadAll(req.Body)
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(whole)), nil }
	return err
}

// A trip is one request on its way through the addresses.
type trip struct {
	*router
	req      *http.Request
	at       int // the address to ask
	passed   [maxAddresses]bool
	followed int
	reached  atomic.Bool // a connection to the last address was there

	// What to return if nobody serves it: one of them is set once an address was
	// passed over.
	resp *http.Response
	err  error
}

// send returns the whole answer of the address.
func (t *trip) send() (*http.Response, error) {
	out, err := t.addressed()
	if err != nil {
		return nil, err
	}
	resp, err := t.next.RoundTrip(out)
	if err == nil {
		err = hold(resp)
	}
	if errors.Is(err, httpbody.ErrTooLarge) {
		err = errTooLarge
	}
	if err != nil {
		return nil, err
	}
	resp.Request = t.req
	record(t.req.Context(), resp.StatusCode)
	return resp, nil
}

// addressed returns the request for the address.
func (t *trip) addressed() (*http.Request, error) {
	to := t.addresses[t.at]
	bare := t.req.Body == nil || t.req.Body == http.NoBody
	if bare && len(t.addresses) == 1 && t.req.Method == http.MethodGet && t.req.URL.Host == to.host && t.req.Host == to.host {
		return t.req, nil // which says the same
	}
	out := t.req.WithContext(t.watched())
	u := *t.req.URL
	u.Scheme, u.Host = to.scheme, to.host
	out.URL, out.Host = &u, to.host
	// A kept connection may have died in a freeze. With this header, which is not
	// sent, net/http tries another one for any method; the client would send the
	// request once more in any case.
	out.Header = t.req.Header.Clone()
	out.Header["Idempotency-Key"] = []string{}
	if bare {
		return out, nil
	}
	var err error
	out.Body, err = t.req.GetBody()
	return out, err
}

// watched returns the request's context, which notes for a choice of addresses
// whether there was a connection. Without one, nothing was sent.
func (t *trip) watched() context.Context {
	if len(t.addresses) == 1 {
		return t.req.Context()
	}
	t.reached.Store(false)
	return httptrace.WithClientTrace(t.req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { t.reached.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { t.reached.Store(true) },
	})
}

// follow makes the address that a redirect leads to the one to ask.
func (t *trip) follow(resp *http.Response) error {
	to, err := t.target(resp)
	if err == nil {
		t.at = to
		t.followed++
	}
	return err
}

// target returns the address that a redirect leads to. Only the address is taken
// from it, never the path: a standby gives the request's own, with the escapes lost.
func (t *trip) target(resp *http.Response) (int, error) {
	to, err := resp.Location()
	if err != nil {
		return 0, &redirectError{"", "the answer does not say where to"}
	}
	o := newOrigin(to)
	i := t.index(o)
	switch {
	case !isMoved(resp.StatusCode) || to.Path != t.req.URL.Path:
		return 0, &redirectError{o.String(), "it leads to another path"}
	case i < 0:
		return 0, &redirectError{o.String(), "it is none of the configured addresses"}
	case t.stay:
		return 0, &redirectError{o.String(), "redirects are turned off"}
	case t.passed[i]:
		return 0, &redirectError{o.String(), "that address does not serve"}
	case t.followed == maxFollowed:
		return 0, &redirectError{o.String(), "too many redirects"}
	}
	return i, nil
}

// isMoved reports whether a redirect asks for the same request elsewhere.
func isMoved(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// pass goes on to the next address, and reports whether there is one and the
// request may be sent to it. It keeps what to return otherwise.
func (t *trip) pass(resp *http.Response, err error) bool {
	t.passed[t.at] = true
	unsent := err != nil && !t.reached.Load()
	if !unsent || t.resp == nil && t.err == nil {
		t.resp, t.err = resp, err // rather an answer than that there was none
	}
	ended := t.req.Context().Err()
	if errors.Is(ended, context.Canceled) {
		return false // which says nothing about the address
	}
	to := t.unpassed()
	t.good.CompareAndSwap(int32(t.at), int32(to))
	t.at = to
	return ended == nil && !t.passed[to] && (unsent || resp != nil || errors.Is(err, errRedirect))
}

// unpassed returns the next address that was not passed over, or just the next.
func (t *trip) unpassed() int {
	n := len(t.addresses)
	for i := 1; i < n; i++ {
		if next := (t.at + i) % n; !t.passed[next] {
			return next
		}
	}
	return (t.at + 1) % n
}
