package http1

import (
	"net"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// sweepEvery is the longest time until a connection is closed after the server has closed
// it.
const sweepEvery = 5 * time.Second

// take returns the most recently used idle connection to the host of to, or nil.
func (t *Transport) take(to *url.URL) *conn {
	for {
		c := t.pop(hostOf(to))
		if c == nil || !t.hasExpired(c) && c.isQuiet() {
			return c
		}
		_ = c.raw.Close()
	}
}

func (t *Transport) pop(to host) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, c := range slices.Backward(t.idle) {
		if c.host == to {
			t.idle = slices.Delete(t.idle, i, i+1)
			return c
		}
	}
	return nil
}

// put makes c idle. If there are too many idle connections to its host, put closes the
// oldest.
func (t *Transport) put(c *conn) {
	c.idle = t.opts.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = append(t.idle, c)
	if n, oldest := t.count(c.host); n > t.opts.MaxIdle {
		_ = t.idle[oldest].raw.Close()
		t.idle = slices.Delete(t.idle, oldest, oldest+1)
	}
	t.schedule()
}

// count returns the number of idle connections to a host, and the index of the first.
func (t *Transport) count(to host) (n, first int) {
	for i, c := range slices.Backward(t.idle) {
		if c.host == to {
			n, first = n+1, i
		}
	}
	return n, first
}

// schedule starts a timer that closes idle connections, because the Transport may never be
// used again. It requires t.mu.
func (t *Transport) schedule() {
	if t.sweep == nil && len(t.idle) > 0 {
		left := t.opts.Now().Until(t.idle[0].idle.Add(t.opts.IdleTimeout))
		t.sweep = time.AfterFunc(min(left, sweepEvery), t.closeUnusable)
	}
}

// closeUnusable closes the connections that have expired, or that the server has closed.
func (t *Transport) closeUnusable() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeIf(func(c *conn) bool {
		quiet, known := examine(c.raw)
		return known && !quiet || t.hasExpired(c)
	})
	t.sweep = nil
	t.schedule()
}

func (t *Transport) closeIf(ended func(*conn) bool) {
	t.idle = slices.DeleteFunc(t.idle, func(c *conn) bool {
		if !ended(c) {
			return false
		}
		_ = c.raw.Close()
		return true
	})
}

// closeIdle closes the idle connections to a host.
func (t *Transport) closeIdle(to host) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeIf(func(c *conn) bool { return c.host == to })
}

// CloseIdleConnections closes the idle connections to all hosts.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeIf(func(*conn) bool { return true })
	if t.sweep != nil {
		t.sweep.Stop()
		t.sweep = nil
	}
}

func (t *Transport) hasExpired(c *conn) bool {
	return t.opts.Now().Reached(c.idle.Add(t.opts.IdleTimeout))
}

// examine reports whether the peer has neither closed an idle connection nor sent bytes on
// it. It does not wait. known is false if the socket is not accessible, as in a net.Conn of
// another package, or if the system has no such call.
func examine(raw net.Conn) (quiet, known bool) {
	for {
		below, ok := raw.(interface{ NetConn() net.Conn }) // such as *tls.Conn
		if !ok {
			break
		}
		raw = below.NetConn()
	}
	socket, ok := raw.(syscall.Conn)
	if !ok || !canPeek {
		return false, false
	}
	control, err := socket.SyscallConn()
	if err != nil {
		return false, true
	}
	err = control.Read(func(fd uintptr) bool {
		quiet = nothingToRead(fd)
		return true
	})
	return err == nil && quiet, true
}
