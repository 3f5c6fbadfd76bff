package agent

import "time"

// What a connTracker does for pending connections: it bounds their bytes, and the work
// for those that have sent many.

// admit returns the oldest connection that is ready for net/http, once there is room for
// its bytes, and nil if no connection is ready.
func (t *connTracker) admit() *trackedConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	isReady := &t.conns[ready]
	t.makeRoom(
		func() bool { return isReady.Len() > 0 && t.unproven+connCharge > maxUnauthenticated },
		func() (*trackedConn, time.Duration) { return t.oldest(pending, minWait) },
		t.close,
	)
	if t.draining || isReady.Len() == 0 {
		return nil
	}
	c := isReady.Front().Value.(*trackedConn)
	t.move(c, pending)
	return c
}

// await notes that the server waits for the client of c. If too many bytes came from
// connections without the token, it closes the oldest one that the server waits for.
func (t *connTracker) await(c *trackedConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wait(c)
}

// linger is await for a connection without a reader.
func (t *connTracker) linger(c *trackedConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.written = true
	t.wait(c)
}

// wait is await for a caller that holds t.mu.
func (t *connTracker) wait(c *trackedConn) {
	c.since = time.Now()
	c.waiting.Store(true)
	t.yield(c)
	for t.unproven > maxUnauthenticated {
		victim, _ := t.oldest(pending, minWait)
		if victim == nil {
			return // admit waits for one
		}
		t.close(victim)
	}
}

// receive ends await with n bytes. A connection that has sent more than net/http reads
// at once waits until no other one like it is parsed, and none is ready: parsing many
// headers takes long, and short requests go first. receive reports whether c is open.
func (t *connTracker) receive(c *trackedConn, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.takeBack(c, pending, n)
	if c.stage != pending {
		return c.stage != closed
	}
	c.received += n
	t.unproven += n
	if c.received > connCharge {
		t.queue(c)
	}
	return c.stage != closed
}

// queue returns when c may be parsed, or is closed. The caller holds t.mu, which is free
// meanwhile.
func (t *connTracker) queue(c *trackedConn) {
	turn := make(chan struct{})
	c.turn, c.place = turn, t.queued.PushBack(c)
	t.grant()
	t.mu.Unlock()
	<-turn
	t.mu.Lock()
}

// grant lets the first connection in the queue be parsed, if it may. The caller holds
// t.mu.
func (t *connTracker) grant() {
	if t.parsing == nil && t.conns[ready].Len() == 0 && t.queued.Len() > 0 {
		t.parsing = t.queued.Front().Value.(*trackedConn)
		t.dequeue(t.parsing)
	}
}

// dequeue ends queue. The caller holds t.mu.
func (t *connTracker) dequeue(c *trackedConn) {
	t.queued.Remove(c.place)
	close(c.turn)
	c.turn = nil
}

// yield lets others have their turn after c. The caller holds t.mu.
func (t *connTracker) yield(c *trackedConn) {
	if t.parsing == c {
		t.parsing = nil
	}
	t.grant()
	t.changed.Broadcast()
}
