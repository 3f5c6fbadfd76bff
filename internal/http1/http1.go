// Package http1 is an HTTP/1.1 transport for responses with secrets.
//
// The transport of net/http logs bytes that a server sends after the end of a response.
// These bytes can be a part of a secret: the body of a 204, or the end of a body that is
// longer than its Content-Length. This transport never logs, and has no goroutine that
// reads idle connections. It closes a connection that received bytes after the end of a
// response.
//
// The transport reads the whole response, up to a size limit, before it returns the
// response. It does not follow redirects, decompress bodies or support HTTP/2.
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
	// Dial connects to the host of to, for https with TLS. A connection to a proxy that
	// forwards requests is a *Forwarding.
	Dial func(ctx context.Context, to *url.URL) (net.Conn, error)

	// MaxHeader and MaxBody limit the header and the body of a response, in bytes.
	MaxHeader, MaxBody int64

	// MaxIdle is the number of idle connections to keep for each host.
	MaxIdle int

	// IdleTimeout is the time after which an idle connection is closed.
	IdleTimeout time.Duration

	// Now reads the clocks. Nil means the clocks of the system.
	Now clock.Func
}

// A Forwarding is a connection to a proxy that forwards plain HTTP requests.
type Forwarding struct {
	net.Conn

	Header http.Header // for the proxy, such as Proxy-Authorization
}

// NetConn returns the underlying connection.
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

// RoundTrip sends req and returns the whole response. The caller need not close its body.
//
// If a reused connection breaks before the first byte of the response, RoundTrip sends the
// request once more on a new connection. It does so only if the request is idempotent or
// has the header Idempotency-Key.
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
		t.closeIdle(hostOf(req.URL)) // probably dead, too
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

// exchange sends req on c. Afterwards, c is idle or closed.
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

// getConn and gotConn call the trace of the context, as net/http does.
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

// isReplayable reports whether sending req twice is safe.
func isReplayable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	if _, ok := req.Header["Idempotency-Key"]; ok {
		return true
	}
	return slices.Contains([]string{"", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}, req.Method)
}

// rewind returns req with a new reader of its body.
func rewind(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	again := *req
	var err error
	again.Body, err = req.GetBody()
	return &again, err
}
