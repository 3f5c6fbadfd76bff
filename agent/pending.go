package agent

import "time"

// This file has the methods of a connTracker for pending connections. They limit the bytes
// of these connections, and the work for those that have sent many bytes.

// admit returns the oldest connection that is ready for net/http, once the limit allows
// its bytes. It returns nil if no connection is ready.
func (t *connTracker) admit() *trackedConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	isReady := &t.conns[ready]
	t.evictWhile(
		func() bool { return isReady.Len() > 0 && t.pendingBytes+connOverhead > maxPendingBytes },
		func() (*trackedConn, time.Duration) { return t.oldest(pending, minPendingWait) },
		t.close,
	)
	if t.draining || isReady.Len() == 0 {
		return nil
	}
	c := isReady.Front().Value.(*trackedConn)
	t.move(c, pending)
	return c
}

// awaitClient records that the server waits for the client of c. written means that the
// server has sent its last response, so that no goroutine reads from c. While there are too
// many bytes of pending connections, awaitClient closes the oldest one that the server
// waits for.
func (t *connTracker) awaitClient(c *trackedConn, written bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.since, c.written = time.Now(), c.written || written
	c.awaitsClient.Store(true)
	t.endParsing(c)
	for t.pendingBytes > maxPendingBytes {
		victim, _ := t.oldest(pending, minPendingWait)
		if victim == nil {
			return // admit waits for a victim
		}
		t.close(victim)
	}
}

// receive records that n bytes of c were received. It reports whether c is open. A
// connection that has sent more than net/http reads at once waits for its turn: until
// net/http parses no other such connection and none is ready. Parsing many headers takes
// long, so short requests go first.
func (t *connTracker) receive(c *trackedConn, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.undoClose(c, pending, n)
	if c.stage != pending {
		return c.stage != closed
	}
	c.received += n
	t.pendingBytes += n
	if c.received > connOverhead {
		t.awaitParsing(c)
	}
	return c.stage != closed
}

// awaitParsing returns when net/http may parse c, or c is closed. The caller holds t.mu,
// which awaitParsing unlocks while it waits.
func (t *connTracker) awaitParsing(c *trackedConn) {
	turn := make(chan struct{})
	c.parseTurn, c.queueElement = turn, t.parseQueue.PushBack(c)
	t.parseNext()
	t.mu.Unlock()
	<-turn
	t.mu.Lock()
}

// parseNext gives its turn to the first connection in the queue, if net/http may parse it.
// The caller holds t.mu.
func (t *connTracker) parseNext() {
	if t.parsing == nil && t.conns[ready].Len() == 0 && t.parseQueue.Len() > 0 {
		t.parsing = t.parseQueue.Front().Value.(*trackedConn)
		t.dequeue(t.parsing)
	}
}

// dequeue ends awaitParsing. The caller holds t.mu.
func (t *connTracker) dequeue(c *trackedConn) {
	t.parseQueue.Remove(c.queueElement)
	close(c.parseTurn)
	c.parseTurn = nil
}

// endParsing ends the turn of c. The caller holds t.mu.
func (t *connTracker) endParsing(c *trackedConn) {
	if t.parsing == c {
		t.parsing = nil
	}
	t.parseNext()
	t.changed.Broadcast()
}
