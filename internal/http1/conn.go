package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/httpbody"
)

var (
	errHeader  = errors.New("the response header is too large")
	errUpgrade = errors.New("the response switches protocols")

	// past is a deadline that ends reads and writes at once.
	past = time.Unix(1, 0)
)

// listenFor is the time for which each of two reads waits for bytes on an idle connection
// whose socket is not accessible.
const listenFor = 500 * time.Microsecond

// A host identifies the server of a connection.
type host struct{ scheme, authority string }

func hostOf(u *url.URL) host { return host{u.Scheme, u.Host} }

// A conn is a connection. One request at a time uses it.
type conn struct {
	raw      net.Conn
	host     host
	reader   *bufio.Reader
	writer   *bufio.Writer
	headroom int64         // remaining bytes of the limit
	received bool          // a byte of the response was received
	idle     clock.Instant // start of the idle time
}

func newConn(raw net.Conn, to host) *conn {
	c := &conn{raw: raw, host: to}
	c.reader = bufio.NewReader(c)
	c.writer = bufio.NewWriter(raw)
	return c
}

// Read reads from the connection for the bufio.Reader, up to the limit of the header.
func (c *conn) Read(p []byte) (int, error) {
	if c.headroom <= 0 {
		return 0, errHeader
	}
	if int64(len(p)) > c.headroom {
		p = p[:c.headroom]
	}
	n, err := c.raw.Read(p)
	c.headroom -= int64(n)
	c.received = c.received || n > 0
	return n, err
}

// closeOnEnd makes the end of ctx end all reads and writes. release separates c from ctx,
// and reports whether c is still usable.
func (c *conn) closeOnEnd(ctx context.Context) (release func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(past) })
}

// exchange sends req and returns the response with its body in memory.
func (c *conn) exchange(req *http.Request, maxHeader, maxBody int64) (*http.Response, error) {
	c.received, c.headroom = false, maxHeader
	if err := c.send(req); err != nil {
		return nil, err
	}
	resp, err := c.header(req)
	if err != nil {
		return nil, err
	}
	c.headroom = math.MaxInt64 // httpbody has its own limit
	var whole []byte
	if resp.Body != http.NoBody { // a response to HEAD has the Content-Length of GET
		if whole, err = httpbody.Read(resp, maxBody); err != nil {
			return nil, err
		}
	}
	SetBody(resp, whole)
	return resp, nil
}

func (c *conn) send(req *http.Request) error {
	write := req.Write
	if f, ok := c.raw.(*Forwarding); ok {
		write = withHeader(req, f.Header).WriteProxy
	}
	if err := write(c.writer); err != nil {
		return err
	}
	return c.writer.Flush()
}

// withHeader returns req with additional headers.
func withHeader(req *http.Request, more http.Header) *http.Request {
	if len(more) == 0 {
		return req
	}
	with := *req
	with.Header = req.Header.Clone()
	maps.Copy(with.Header, more)
	return &with
}

// header reads the header of the response, after informational responses. The limit
// applies to all of them together.
func (c *conn) header(req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.reader, req)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errUpgrade
		case resp.StatusCode >= http.StatusOK:
			return resp, nil
		}
	}
}

// isClean reports whether no bytes were received after the end of the response. TLS may
// have decrypted more bytes than were read. A read with a deadline in the past returns
// these bytes, and otherwise fails without a system call.
func (c *conn) isClean() bool {
	if c.reader.Buffered() > 0 {
		return false
	}
	if _, plain := c.raw.(*net.TCPConn); plain {
		return true // the rest is in the system's buffer, where isQuiet looks for it
	}
	return c.isSilentUntil(past)
}

// isQuiet reports whether the peer has neither closed the idle connection nor sent bytes
// on it, because such bytes would look like the response to the next request. If the
// socket is not accessible, isQuiet waits for bytes for a short time.
func (c *conn) isQuiet() bool {
	if quiet, known := examine(c.raw); known {
		return quiet
	}
	for range 2 { // on a busy processor, the first deadline may pass before the read
		if !c.isSilentUntil(time.Now().Add(listenFor)) {
			return false
		}
	}
	return true
}

// isSilentUntil reports whether the open connection has nothing to read until the deadline.
func (c *conn) isSilentUntil(deadline time.Time) bool {
	if c.raw.SetReadDeadline(deadline) != nil {
		return false
	}
	_, err := c.reader.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded) && c.raw.SetReadDeadline(time.Time{}) == nil
}

// A body is the body of a response in memory.
type body struct {
	bytes.Reader

	whole []byte
}

func (b *body) Close() error { return nil }

// SetBody makes whole the body of resp.
func SetBody(resp *http.Response, whole []byte) {
	b := &body{whole: whole}
	b.Reset(whole)
	resp.Body = b
}

// IsRead reports whether the body of resp is in memory: a Transport returned resp, or
// SetBody was called.
func IsRead(resp *http.Response) bool {
	_, ok := resp.Body.(*body)
	return ok
}

// Bytes returns the whole body of a response that IsRead, even after resp.Body was read.
// The caller must not change it. For other responses, Bytes returns nil.
func Bytes(resp *http.Response) []byte {
	if b, ok := resp.Body.(*body); ok {
		return b.whole
	}
	return nil
}
