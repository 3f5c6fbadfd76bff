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
	tracker *connTracker
	number  int         // in the order of Accept
	trusted atomic.Bool // it has shown the token
	busy    atomic.Bool // it has a request in flight
	waiting atomic.Bool // the server waits for the client

	first    [1]byte // what awaitByte has read
	hasFirst bool    // Read has not returned it yet

	// These are guarded by the tracker.
	stage    stage
	element  *list.Element
	since    time.Time
	doomed   bool          // close has ended its read
	written  bool          // net/http has sent the response, and reads no more
	turn     chan struct{} // closed when it may be parsed; nil: it is not queued
	place    *list.Element // in the queue
	received int
}

// awaitByte waits for the first byte.
func (c *trackedConn) awaitByte() error {
	c.tracker.advance(c, silent)
	if err := c.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
		return err
	}
	if _, err := c.readWaiting(c.first[:]); err != nil {
		return err
	}
	c.hasFirst = true
	if !c.tracker.arrive(c) {
		return net.ErrClosed
	}
	return nil
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// readWaiting reads from a connection that the tracker may close meanwhile.
func (c *trackedConn) readWaiting(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && hasUnread(c.Conn) {
		// The tracker has set the deadline before Read could look for bytes.
		if err := c.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
			return 0, err
		}
		n, err = c.Conn.Read(p)
	}
	c.waiting.Store(false) // before anything that may take time
	return n, err
}

// Read counts what it reads until the connection has shown the token.
func (c *trackedConn) Read(p []byte) (int, error) {
	switch {
	case c.trusted.Load():
		return c.Conn.Read(p)
	case c.hasFirst && len(p) > 0:
		c.hasFirst = false
		return copy(p, c.first[:]), nil
	}
	c.tracker.await(c)
	n, err := c.readWaiting(p)
	if !c.tracker.receive(c, n) {
		return 0, cmp.Or(err, io.EOF) // to these errors net/http does not respond
	}
	return n, err
}

// Close closes the connection and forgets it.
func (c *trackedConn) Close() error {
	c.tracker.advance(c, closed)
	return c.Conn.Close()
}

// end closes c. net/http sees its next read fail.
func (c *trackedConn) end() { _ = c.Close() } // the connection is gone either way

// CloseWrite sends the end of a response. net/http then waits for half a second before
// it closes the connection.
func (c *trackedConn) CloseWrite() error {
	c.busy.Store(false)
	c.tracker.linger(c)
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// authenticate notes that c has shown the token.
func (c *trackedConn) authenticate() {
	if !c.trusted.Load() {
		c.tracker.advance(c, authenticated)
		c.trusted.Store(true)
	}
}

// noteState is an http.Server's ConnState.
func noteState(conn net.Conn, state http.ConnState) {
	c := conn.(*trackedConn)
	c.busy.Store(state == http.StateActive)
	if state == http.StateIdle && c.tracker.starved.Load() {
		c.tracker.wake()
	}
}

// connKey is the context key of a request's *trackedConn.
type connKey struct{}

// withConn is an http.Server's ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// authenticateConn notes that the connection of a request has shown the token. It does
// nothing under another server than that of Serve.
func authenticateConn(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*trackedConn); ok {
		c.authenticate()
	}
}
