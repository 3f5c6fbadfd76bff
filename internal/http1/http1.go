// Package http1 is an HTTP/1.1 transport for responses that hold secrets.
//
// The transport of net/http prints bytes that a server sends after the end of a
// response, and these bytes can be a part of a secret: the body of a 204, or the end
// of a body that is longer than its Content-Length. This transport has no goroutine
// that reads an idle connection, and it never logs. It closes a connection on which
// more bytes have arrived than the response has.
//
// The transport reads each response to its end, within a bound, before it returns
// the response. It does not follow redirects, decompress bodies or speak HTTP/2.
package http1

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/clock"
)

// Options are the settings of a Transport.
type Options struct {
	// Dial opens a connection to the host of to. For https, the connection includes
	// TLS. A connection to a proxy that forwards requests is a *Forwarding.
	Dial func(ctx context.Context, to *url.URL) (net.Conn, error)

	// MaxHeader and MaxBody are the largest header and the largest body of a
	// response, in bytes.
	MaxHeader, MaxBody int64

	// MaxIdle is the number of idle connections to keep for each host.
	MaxIdle int

	// IdleTimeout closes a connection that was idle for so long.
	IdleTimeout time.Duration

	// Now reads the clocks. Nil means the system's.
	Now clock.Func
}

// A Forwarding is a connection to a proxy that forwards plain HTTP requests.
type Forwarding struct {
	net.Conn

	Header http.Header // headers for the proxy, such as Proxy-Authorization
}

// NetConn returns the connection below f.
func (f *Forwarding) NetConn() net.Conn { return f.Conn }

// A Transport is an [http.RoundTripper]. It is safe for concurrent use.
type Transport struct {
	opts Options

	mu    sync.Mutex
	idle  []*conn     // in the order in which they became idle
	sweep *time.Timer // nil unless a sweep is scheduled
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a Transport.
func New(opts Options) *Transport {
	if opts.Now == nil {
		opts.Now = clock.New()
	}
	return &Transport{opts: opts}
}

// RoundTrip sends req and returns the whole response. Closing its body is not
// necessary.
//
// If an idle connection turns out to be dead before a byte of the response has
// arrived, RoundTrip sends the request once more on a new connection, provided that
// the request is idempotent or has the header Idempotency-Key.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	c := t.take(req.URL)
	if c != nil {
		getConn(ctx, req.URL)
		gotConn(ctx, c.raw, true)
		resp, err := t.exchange(ctx, c, req)
		if err == nil || c.received || ctx.Err() != nil || !isReplayable(req) {
			return resp, err
		}
		t.closeIdle(hostOf(req.URL)) // which have probably died with it
		again, err := rewind(req)
		if err != nil {
			return nil, err
		}
		req = again
	}
	c, err := t.dial(ctx, req.URL)
	if err != nil {
		return nil, err
	}
	return t.exchange(ctx, c, req)
}

// exchange sends req on c. Afterwards c is idle or closed.
func (t *Transport) exchange(ctx context.Context, c *conn, req *http.Request) (*http.Response, error) {
	release := c.closeOnEnd(ctx)
	resp, err := c.exchange(req, t.opts.MaxHeader, t.opts.MaxBody)
	live := release()
	if err != nil || !live || resp.Close || req.Close || !c.isClean() {
		_ = c.raw.Close()
	} else {
		t.put(c)
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (t *Transport) dial(ctx context.Context, to *url.URL) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	getConn(ctx, to)
	raw, err := t.opts.Dial(ctx, to)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	gotConn(ctx, raw, false)
	return newConn(raw, hostOf(to)), nil
}

// getConn and gotConn report to the context's trace, as net/http does.
func getConn(ctx context.Context, to *url.URL) {
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GetConn != nil {
		trace.GetConn(to.Host)
	}
}

func gotConn(ctx context.Context, raw net.Conn, reused bool) {
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: raw, Reused: reused, WasIdle: reused})
	}
}

// isReplayable reports whether a request may be sent twice.
func isReplayable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	if _, ok := req.Header["Idempotency-Key"]; ok {
		return true
	}
	return slices.Contains([]string{"", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}, req.Method)
}

// rewind returns req with its body from the start.
func rewind(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	again := *req
	var err error
	again.Body, err = req.GetBody()
	return &again, err
}
