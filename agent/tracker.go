package agent

import (
	"container/list"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The limits of connections that have not sent the token.
const (
	// maxPendingBytes limits the bytes of requests that all of them have sent to net/http.
	// net/http needs up to twenty times as much memory for the headers.
	maxPendingBytes = 1 << 20

	// connOverhead is added to the bytes of each connection. net/http reads as much at
	// once.
	connOverhead = 4 << 10

	// The tracker does not close a connection before the server has waited this long for
	// its first byte, or for more of its request. A client needs a moment between
	// connecting and sending. The server needs a moment to read bytes that have arrived.
	minSilentWait  = 250 * time.Millisecond
	minPendingWait = 10 * time.Millisecond
)

// A stage is the state of a connection. Connections only move forward, unless undoClose
// undoes close.
type stage int

const (
	accepted      stage = iota // no goroutine reads from it yet
	silent                     // the listener waits for its first byte
	ready                      // it has sent a byte, and waits for net/http
	pending                    // net/http reads its first request
	authenticated              // it has sent the token
	closed
)

// A connTracker limits the connections of a server. If there are too many, it closes a
// connection that has not sent the token and that the server waits for, the oldest one
// first. If there is none, it closes a connection that has sent the token and is idle. It
// does not close a connection that may have sent a request without a response yet. If
// there are only such connections, new connections wait.
type connTracker struct {
	maxConns  int
	needsIdle atomic.Bool // evictWhile may wait for a connection to become idle

	mu           sync.Mutex
	changed      sync.Cond         // signaled if evictWhile should look again
	conns        [closed]list.List // by stage, the oldest first
	open         int
	total        int          // connections so far
	pendingBytes int          // of pending connections, with connOverhead for each
	parsing      *trackedConn // net/http parses more than connOverhead bytes of it
	parseQueue   list.List    // connections that wait to be parsed
	draining     bool
}

func newConnTracker(maxConns int) *connTracker {
	t := &connTracker{maxConns: maxConns}
	t.changed.L = &t.mu
	return t
}

// track adds a connection once the limit allows it. It returns nil if the server stops.
func (t *connTracker) track(conn net.Conn) *trackedConn {
	c := &trackedConn{Conn: conn, tracker: t}
	t.mu.Lock()
	t.open++
	t.total++
	c.number = t.total
	c.element = t.conns[accepted].PushBack(c)
	t.needsIdle.Store(t.open > t.maxConns)
	t.evictWhile(func() bool { return t.open > t.maxConns }, t.victim, t.close)
	t.needsIdle.Store(false)
	stops := t.draining
	t.mu.Unlock()
	if stops {
		c.end()
		return nil
	}
	return c
}

// evictWhile closes victims while tooMany is true. While there is no victim, it waits for a
// change, or for the time that victim returns. The caller holds t.mu.
func (t *connTracker) evictWhile(tooMany func() bool, victim func() (*trackedConn, time.Duration), closeIt func(*trackedConn)) {
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

// close closes a victim. The caller holds t.mu, which close may unlock meanwhile.
//
// If a goroutine reads from c, close interrupts the read by its deadline. If the read has
// bytes already, because its goroutine has not run since they arrived, undoClose undoes
// close.
func (t *connTracker) close(c *trackedConn) {
	c.interrupted = c.awaitsClient.Load() && c.parseTurn == nil && !c.written
	if c.interrupted && c.SetReadDeadline(longAgo) == nil {
		t.move(c, closed)
		return
	}
	t.closeNow(c)
}

// closeNow closes a victim even if its read has bytes already. The caller holds t.mu, which
// closeNow unlocks meanwhile.
func (t *connTracker) closeNow(c *trackedConn) {
	t.move(c, closed)
	t.mu.Unlock()
	defer t.mu.Lock()
	c.end()
}

// undoClose undoes close for a connection after a read of n bytes. The caller holds
// t.mu.
func (t *connTracker) undoClose(c *trackedConn, to stage, n int) {
	if !c.interrupted || n == 0 || t.draining {
		return
	}
	t.open++
	if c.interrupted, c.stage = false, to; to == pending {
		t.pendingBytes += c.received + connOverhead
	}
	c.element = t.conns[to].PushBack(c)
	_ = c.SetReadDeadline(time.Now().Add(headerTimeout)) // if it fails, the next read fails
}

// markReady records that the first byte of c has arrived. It reports whether c is open.
func (t *connTracker) markReady(c *trackedConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.undoClose(c, ready, 1)
	t.move(c, ready)
	return c.stage != closed
}

// evictOne waits until it can close a connection. It reports whether it has closed one. It
// does not if there is no connection, or if the server stops.
func (t *connTracker) evictOne() (evicted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.needsIdle.Store(true)
	defer t.needsIdle.Store(false)
	t.evictWhile(func() bool { return !evicted && t.open > 0 }, t.victim, func(c *trackedConn) {
		t.closeNow(c) // because the file descriptor is needed
		evicted = true
	})
	return evicted
}

// victim returns the connection to close in favor of another one. If there is none, it
// returns nil and the time until there may be one, zero if that is unknown. The caller
// holds t.mu.
func (t *connTracker) victim() (*trackedConn, time.Duration) {
	s, after := t.oldest(silent, minSilentWait)
	p, afterPending := t.oldest(pending, minPendingWait)
	switch {
	case s != nil && (p == nil || s.number < p.number):
		return s, 0
	case p != nil:
		return p, 0
	}
	if afterPending > 0 && (after == 0 || afterPending < after) {
		after = afterPending
	}
	if after > 0 && t.conns[silent].Len() > t.maxConns/10 { // a flood waits
		return nil, after
	}
	c := t.idle()
	return c, after
}

// idle returns a connection that has sent the token and has no request in flight, or nil.
func (t *connTracker) idle() *trackedConn {
	for e := t.conns[authenticated].Front(); e != nil; e = e.Next() {
		if c := e.Value.(*trackedConn); !c.inRequest.Load() {
			return c
		}
	}
	return nil
}

// oldest returns the oldest connection in s among those whose bytes the server has awaited
// for at least wait. If the server has waited less for all of them, oldest returns the time
// until it will have waited long enough.
func (t *connTracker) oldest(s stage, wait time.Duration) (_ *trackedConn, after time.Duration) {
	for e := t.conns[s].Front(); e != nil; e = e.Next() {
		c := e.Value.(*trackedConn)
		if queued := c.parseTurn != nil; !queued && !c.awaitsClient.Load() || c.inRequest.Load() {
			continue
		}
		left := wait - time.Since(c.since)
		switch {
		case left > 0 && (after == 0 || left < after):
			after = left
		case left > 0:
		case c.parseTurn == nil && hasUnread(c.Conn):
			c.awaitsClient.Store(false) // its goroutine is about to read
		default:
			return c, 0
		}
		if left > 0 && s == silent {
			break // the others became silent later
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

// wake makes evictWhile look again.
func (t *connTracker) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed.Broadcast()
}

// move is advance if the caller holds t.mu.
func (t *connTracker) move(c *trackedConn, to stage) {
	if c.stage >= to {
		return
	}
	t.conns[c.stage].Remove(c.element)
	t.endParsing(c)
	if c.stage == pending {
		t.pendingBytes -= c.received + connOverhead
	}
	c.stage, c.since = to, time.Now()
	c.awaitsClient.Store(to == silent)
	switch to {
	case closed:
		if t.open--; c.parseTurn != nil {
			t.dequeue(c)
		}
		return
	case pending:
		t.pendingBytes += connOverhead
	}
	c.element = t.conns[to].PushBack(c)
}

// drain closes all connections without a request in flight, and further connections. The
// Shutdown of net/http would wait 5 s for an incomplete request.
func (t *connTracker) drain() {
	var victims []*trackedConn
	t.mu.Lock()
	t.draining = true
	t.changed.Broadcast()
	for s := range t.conns {
		for e := t.conns[s].Front(); e != nil; e = e.Next() {
			if c := e.Value.(*trackedConn); !c.inRequest.Load() {
				victims = append(victims, c)
			}
		}
	}
	t.mu.Unlock()
	for _, victim := range victims {
		victim.end()
	}
}
