package agent

import (
	"container/list"
	"context"
	"net"
	"net/http"
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

	first    [1]byte // what awaitByte has read
	hasFirst bool    // Read has not returned it yet

	// These are guarded by the tracker.
	stage    stage
	element  *list.Element
	waiting  bool // the server waits for the client
	received int
}

// awaitByte waits for the first byte.
func (c *trackedConn) awaitByte() error {
	c.tracker.advance(c, silent)
	if err := c.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
		return err
	}
	if _, err := c.Conn.Read(c.first[:]); err != nil {
		return err
	}
	c.hasFirst = true
	c.tracker.advance(c, ready)
	return nil
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
	n, err := c.Conn.Read(p)
	c.tracker.receive(c, n)
	return n, err
}

// Close closes the connection and forgets it.
func (c *trackedConn) Close() error {
	c.tracker.advance(c, closed)
	return c.Conn.Close()
}

// end closes c, if there is a c. net/http sees its next read fail.
func (c *trackedConn) end() {
	if c != nil {
		_ = c.Close() // the connection is of no use to anyone
	}
}

// CloseWrite sends the end of a response. net/http then waits for half a second before
// it closes the connection.
func (c *trackedConn) CloseWrite() error {
	c.tracker.await(c)
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
	conn.(*trackedConn).busy.Store(state == http.StateActive)
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
