package agent

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// A trackedConn is a connection of a connTracker.
type trackedConn struct {
	net.Conn
	tracker      *connTracker
	number       int         // in the order of Accept
	authentic    atomic.Bool // it has sent the token
	inRequest    atomic.Bool // it has a request in flight
	awaitsClient atomic.Bool // the server waits for bytes of the client

	first    [1]byte // what awaitFirstByte has read
	hasFirst bool    // Read has not returned it yet

	// The tracker's mutex guards these fields.
	stage        stage
	element      *list.Element // in the list of its stage
	since        time.Time     // when its stage or its wait began
	interrupted  bool          // close has interrupted its read by a deadline
	written      bool          // net/http has sent the response, and reads no more
	parseTurn    chan struct{} // closed when net/http may parse it; nil: it is not queued
	queueElement *list.Element // in the queue
	received     int           // bytes
}

// awaitFirstByte waits for the first byte.
func (c *trackedConn) awaitFirstByte() error {
	c.tracker.advance(c, silent)
	if err := c.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
		return err
	}
	if _, err := c.readFromClient(c.first[:]); err != nil {
		return err
	}
	c.hasFirst = true
	if !c.tracker.markReady(c) {
		return net.ErrClosed
	}
	return nil
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// readFromClient reads from a connection that the tracker may close meanwhile.
func (c *trackedConn) readFromClient(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && hasUnread(c.Conn) {
		// The tracker set the deadline before Read looked for bytes.
		if err := c.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
			return 0, err
		}
		n, err = c.Conn.Read(p)
	}
	c.awaitsClient.Store(false) // at once, because the tracker may close c until then
	return n, err
}

// Read counts the bytes that it reads until the connection has sent the token.
func (c *trackedConn) Read(p []byte) (int, error) {
	switch {
	case c.authentic.Load():
		return c.Conn.Read(p)
	case c.hasFirst && len(p) > 0:
		c.hasFirst = false
		return copy(p, c.first[:]), nil
	}
	c.tracker.awaitClient(c, false)
	n, err := c.readFromClient(p)
	if !c.tracker.receive(c, n) {
		return 0, cmp.Or(err, io.EOF) // net/http sends no response after these errors
	}
	return n, err
}

// Close closes the connection and removes it from the tracker.
func (c *trackedConn) Close() error {
	c.tracker.advance(c, closed)
	return c.Conn.Close()
}

// end closes c. The next read of net/http fails.
func (c *trackedConn) end() { _ = c.Close() } // the connection is gone in any case

// CloseWrite sends the end of a response. net/http then waits for half a second before it
// closes the connection.
func (c *trackedConn) CloseWrite() error {
	c.inRequest.Store(false)
	c.tracker.awaitClient(c, true)
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// onStateChange is the ConnState of an http.Server.
func onStateChange(conn net.Conn, state http.ConnState) {
	c := conn.(*trackedConn)
	c.inRequest.Store(state == http.StateActive)
	if state == http.StateIdle && c.tracker.needsIdle.Load() {
		c.tracker.wake()
	}
}

// connKey is the context key of the *trackedConn of a request.
type connKey struct{}

// contextWithConn is the ConnContext of an http.Server.
func contextWithConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// markAuthenticated records that the connection of a request has sent the token. It has no
// effect under a server other than that of Serve.
func markAuthenticated(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*trackedConn); ok {
		c.authenticate()
	}
}

func (c *trackedConn) authenticate() {
	if !c.authentic.Load() {
		c.tracker.advance(c, authenticated)
		c.authentic.Store(true)
	}
}
