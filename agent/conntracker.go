package agent

import (
	"container/list"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A stage says how far a connection has come. Connections move forward only, unless
// takeBack undoes close.
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
// connection that may have sent a request to which the server has not responded. If
// there are only such connections, new ones have to wait.
type connTracker struct {
	maxConns int
	starved  atomic.Bool // makeRoom may wait for a connection to become idle

	mu       sync.Mutex
	changed  sync.Cond         // a limit may hold again
	conns    [closed]list.List // by stage, the oldest first
	open     int
	total    int          // connections so far
	unproven int          // bytes received from pending connections, and their charges
	parsing  *trackedConn // net/http parses more than connCharge bytes of it
	queued   list.List    // connections that wait to be parsed
	draining bool
}

func newConnTracker(maxConns int) *connTracker {
	t := &connTracker{maxConns: maxConns}
	t.changed.L = &t.mu
	return t
}

// track adds a connection once there is room for it. It returns nil if the server stops.
func (t *connTracker) track(conn net.Conn) *trackedConn {
	c := &trackedConn{Conn: conn, tracker: t}
	t.mu.Lock()
	t.open++
	t.total++
	c.number = t.total
	c.element = t.conns[accepted].PushBack(c)
	t.starved.Store(t.open > t.maxConns)
	t.makeRoom(func() bool { return t.open > t.maxConns }, t.victim, t.close)
	t.starved.Store(false)
	stops := t.draining
	t.mu.Unlock()
	if stops {
		c.end()
		return nil
	}
	return c
}

// makeRoom closes victims while there are too many connections. While there is no
// victim, it waits for a change, or for the time that victim returns. The caller holds
// t.mu.
func (t *connTracker) makeRoom(tooMany func() bool, victim func() (*trackedConn, time.Duration), closeIt func(*trackedConn)) {
	for tooMany() && !t.draining {
		c, after := victim()
		switch {
		case c != nil:
			closeIt(c)
		case after > 0:
			timer := time.AfterFunc(after, t.wake)
			t.changed.Wait()
			timer.Stop()
		default:
			t.changed.Wait()
		}
	}
}

// close closes a victim. The caller holds t.mu, which may be free meanwhile.
//
// If a goroutine reads from c, close ends that read by its deadline. The read may have
// bytes already, if its goroutine has not run since they came. Then takeBack undoes
// close.
func (t *connTracker) close(c *trackedConn) {
	c.doomed = c.waiting.Load() && c.turn == nil && !c.written
	if c.doomed && c.SetReadDeadline(longAgo) == nil {
		t.move(c, closed)
		return
	}
	t.closeNow(c)
}

// closeNow closes a victim whatever was read from it. The caller holds t.mu, which is
// free meanwhile.
func (t *connTracker) closeNow(c *trackedConn) {
	t.move(c, closed)
	t.mu.Unlock()
	defer t.mu.Lock()
	c.end()
}

// takeBack undoes close for a connection from which n bytes were read. The caller holds
// t.mu.
func (t *connTracker) takeBack(c *trackedConn, to stage, n int) {
	if !c.doomed || n == 0 || t.draining {
		return
	}
	t.open++
	if c.doomed, c.stage = false, to; to == pending {
		t.unproven += c.received + connCharge
	}
	c.element = t.conns[to].PushBack(c)
	_ = c.SetReadDeadline(time.Now().Add(headerTimeout)) // if it fails, so does the next read
}

// arrive notes that the first byte of c has come. It reports whether c is open.
func (t *connTracker) arrive(c *trackedConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.takeBack(c, ready, 1)
	t.move(c, ready)
	return c.stage != closed
}

// evict closes one connection, once there is one that may be closed. It reports whether
// it did: there may be none, or the server may stop.
func (t *connTracker) evict() (evicted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.starved.Store(true)
	defer t.starved.Store(false)
	t.makeRoom(func() bool { return !evicted && t.open > 0 }, t.victim, func(c *trackedConn) {
		t.closeNow(c) // and its file descriptor
		evicted = true
	})
	return evicted
}

// victim returns the connection to close for another one, or nil and how long it takes
// until there may be one, zero if that is not known. The caller holds t.mu.
func (t *connTracker) victim() (*trackedConn, time.Duration) {
	s, after := t.oldest(silent, minSilence)
	p, afterPending := t.oldest(pending, minWait)
	switch {
	case s != nil && (p == nil || s.number < p.number):
		return s, 0
	case p != nil:
		return p, 0
	}
	if afterPending > 0 && (after == 0 || afterPending < after) {
		after = afterPending
	}
	if after > 0 && t.conns[silent].Len() > t.maxConns/10 { // enough for a flood to wait
		return nil, after
	}
	c := t.idle()
	return c, after
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

// oldest returns the connection in s that came first of those that the server has waited
// for as long as wait, and still waits for. If there are only younger ones, it returns
// the time until then.
func (t *connTracker) oldest(s stage, wait time.Duration) (_ *trackedConn, after time.Duration) {
	for e := t.conns[s].Front(); e != nil; e = e.Next() {
		c := e.Value.(*trackedConn)
		if queued := c.turn != nil; !queued && !c.waiting.Load() || c.busy.Load() {
			continue
		}
		left := wait - time.Since(c.since)
		switch {
		case left > 0 && (after == 0 || left < after):
			after = left
		case left > 0:
		case c.turn == nil && hasUnread(c.Conn):
			c.waiting.Store(false) // its reader is about to run
		default:
			return c, 0
		}
		if left > 0 && s == silent {
			break // those behind it came later
		}
	}
	return nil, after
}

// advance moves c to a later stage.
func (t *connTracker) advance(c *trackedConn, to stage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.move(c, to)
}

// wake makes makeRoom look again.
func (t *connTracker) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed.Broadcast()
}

// move is advance for a caller that holds t.mu.
func (t *connTracker) move(c *trackedConn, to stage) {
	if c.stage >= to {
		return
	}
	t.conns[c.stage].Remove(c.element)
	t.yield(c)
	if c.stage == pending {
		t.unproven -= c.received + connCharge
	}
	c.stage, c.since = to, time.Now()
	c.waiting.Store(to == silent)
	switch to {
	case closed:
		if t.open--; c.turn != nil {
			t.dequeue(c)
		}
		return
	case pending:
		t.unproven += connCharge
	}
	c.element = t.conns[to].PushBack(c)
}

// drain closes the connections that have no request in flight, and those that come
// later. net/http's Shutdown would wait 5 s for half a request.
func (t *connTracker) drain() {
	var victims []*trackedConn
	t.mu.Lock()
	t.draining = true
	t.changed.Broadcast()
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
