package agent

import (
	"container/list"
	"net"
	"sync"
)

// The limit of connections that have not shown the token, all of them together.
const (
	// maxUnauthenticated is how many bytes of requests they may have sent. The headers
	// that net/http makes of them take up to twenty times as much memory.
	maxUnauthenticated = 512 << 10

	// connCharge is counted in addition for each connection that net/http reads from.
	connCharge = 1 << 10
)

// A stage says how far a connection has come. Connections only move forward.
type stage int

const (
	accepted      stage = iota // nothing was read from it yet
	silent                     // the listener waits for its first byte
	ready                      // it has sent a byte, and waits for net/http
	pending                    // net/http reads its first request
	authenticated              // it has shown the token
	closed
)

// A connTracker knows all connections of a server and closes some of them to keep
// within its limits: first those that have not shown the token and that the server waits
// for, the oldest first, then those that have shown the token and are idle. It closes no
// connection that may have sent a request to which the server has not responded.
type connTracker struct {
	maxConns int

	mu       sync.Mutex
	conns    [closed]list.List // by stage, the oldest first
	open     int
	total    int // connections so far
	unproven int // bytes received from pending connections, and their charges
	draining bool
}

// track adds a connection. It returns nil if it closed the connection instead.
func (t *connTracker) track(conn net.Conn) *trackedConn {
	c := &trackedConn{Conn: conn, tracker: t}
	t.mu.Lock()
	t.open++
	t.total++
	c.number = t.total
	c.element = t.conns[accepted].PushBack(c)
	var victim *trackedConn
	switch {
	case t.draining:
		victim = c
	case t.open > t.maxConns:
		if victim = t.victim(); victim == nil {
			victim = c
		}
	}
	t.drop(victim)
	t.mu.Unlock()
	victim.end()
	if victim == c {
		return nil
	}
	return c
}

// evict closes the connection that is missed the least, and reports whether there was
// one to close.
func (t *connTracker) evict() bool {
	t.mu.Lock()
	victim := t.victim()
	t.drop(victim)
	t.mu.Unlock()
	victim.end()
	return victim != nil
}

// victim returns the connection to close for another one, nil if there is none. The
// caller holds t.mu.
func (t *connTracker) victim() *trackedConn {
	s, p := t.oldest(silent), t.oldest(pending)
	switch {
	case s == nil && p == nil:
		return t.idle()
	case s == nil || p != nil && p.number < s.number:
		return p
	}
	return s
}

// idle returns a connection that has shown the token and has no request in flight, nil
// if there is none.
func (t *connTracker) idle() *trackedConn {
	for e := t.conns[authenticated].Front(); e != nil; e = e.Next() {
		if c := e.Value.(*trackedConn); !c.busy.Load() {
			return c
		}
	}
	return nil
}

// oldest returns the connection in s that came first and waits, nil if there is none.
func (t *connTracker) oldest(s stage) *trackedConn {
	for e := t.conns[s].Front(); e != nil; e = e.Next() {
		if c := e.Value.(*trackedConn); c.waiting {
			return c
		}
	}
	return nil
}

// advance moves c to a later stage.
func (t *connTracker) advance(c *trackedConn, to stage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.move(c, to)
}

// move is advance for a caller that holds t.mu.
func (t *connTracker) move(c *trackedConn, to stage) {
	if c.stage >= to {
		return
	}
	t.conns[c.stage].Remove(c.element)
	if c.stage == pending {
		t.unproven -= c.received + connCharge
	}
	c.stage, c.waiting = to, to == silent
	switch to {
	case closed:
		t.open--
		return
	case pending:
		t.unproven += connCharge
	}
	c.element = t.conns[to].PushBack(c)
}

// drop forgets c, if there is a c. The caller holds t.mu, and ends c afterwards.
func (t *connTracker) drop(c *trackedConn) {
	if c != nil {
		t.move(c, closed)
	}
}

// await notes that the server waits for the client of c, which is pending now. If the
// pending connections exceed their limit, await closes those that wait, the oldest first.
func (t *connTracker) await(c *trackedConn) {
	var victims []*trackedConn
	t.mu.Lock()
	t.move(c, pending)
	c.waiting = true
	for t.unproven > maxUnauthenticated {
		victim := t.oldest(pending)
		if victim == nil {
			break
		}
		t.drop(victim)
		victims = append(victims, victim)
	}
	t.mu.Unlock()
	for _, victim := range victims {
		victim.end()
	}
}

// receive ends await with n bytes.
func (t *connTracker) receive(c *trackedConn, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.waiting = false
	if c.stage == pending {
		c.received += n
		t.unproven += n
	}
}

// drain closes the connections that have no request in flight, and those that come
// later. net/http's Shutdown would wait 5 s for half a request.
func (t *connTracker) drain() {
	var victims []*trackedConn
	t.mu.Lock()
	t.draining = true
	for s := range t.conns {
		for e := t.conns[s].Front(); e != nil; e = e.Next() {
			if c := e.Value.(*trackedConn); !c.busy.Load() {
				victims = append(victims, c)
			}
		}
	}
	t.mu.Unlock()
	for _, victim := range victims {
		victim.end()
	}
}
