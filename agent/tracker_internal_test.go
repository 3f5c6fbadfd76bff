package agent

import (
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fakeConn can only be closed, by Close or by a deadline.
type fakeConn struct {
	net.Conn
	closed bool
}

func (c *fakeConn) Close() error {
	c.closed = true
	return nil
}

// SetReadDeadline closes the connection, because the tracker interrupts reads by a deadline.
func (c *fakeConn) SetReadDeadline(deadline time.Time) error {
	c.closed = deadline.Before(time.Now())
	return nil
}

func isClosed(c *trackedConn) bool { return c.Conn.(*fakeConn).closed }

// TestUnreadConnectionsAreNotClosed has connections that may have sent a request. A new
// connection waits until one of them ends, or until the server waits for its client.
func TestUnreadConnectionsAreNotClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newConnTracker(4)
		var old [4]*trackedConn
		for i := range old {
			old[i] = tracker.track(&fakeConn{})
		}
		accepted, arrived, worked, idle := old[0], old[1], old[2], old[3]
		tracker.advance(worked, ready)
		assert.Equal(t, worked, tracker.admit())
		tracker.advance(arrived, ready)
		tracker.awaitClient(worked, false)
		worked.awaitsClient.Store(false)
		tracker.receive(worked, 100)
		onStateChange(idle, http.StateActive)
		tracker.advance(idle, authenticated)

		for i, release := range []func(){
			func() { onStateChange(idle, http.StateIdle) },
			func() { tracker.awaitClient(worked, false) },
			func() { tracker.advance(accepted, silent) },
			func() { assert.NoError(t, arrived.Close()) },
		} {
			var added atomic.Bool
			go func() {
				assert.NotNil(t, tracker.track(&fakeConn{}))
				added.Store(true)
			}()
			synctest.Wait()
			assert.False(t, added.Load(), i)
			release()
			time.Sleep(minSilentWait)
			synctest.Wait()
			assert.True(t, added.Load(), i)
			for j, want := range [][]bool{{false, false, false, true}, {false, false, true, true}, {true, false, true, true}, {true, true, true, true}}[i] {
				assert.Equal(t, want, isClosed(old[j]), "%d %d", i, j)
			}
		}
	})
}

// TestAdmission has connections that net/http is working on, and others that are ready.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newConnTracker(1000)
		next := func() *trackedConn {
			c := tracker.track(&fakeConn{})
			tracker.advance(c, ready)
			return c
		}
		assert.Nil(t, tracker.admit())
		var inside []*trackedConn
		for range maxPendingBytes / connOverhead {
			c := next()
			assert.Equal(t, c, tracker.admit())
			inside = append(inside, c)
		}
		waiting := []*trackedConn{next(), next(), next()}
		for i, release := range []func(){
			inside[1].authenticate,
			func() { tracker.awaitClient(inside[0], false) },
			func() { assert.NoError(t, inside[2].Close()) },
		} {
			admitted := make(chan *trackedConn, 1)
			go func() { admitted <- tracker.admit() }()
			synctest.Wait()
			assert.Empty(t, admitted)
			release()
			assert.Equal(t, waiting[i], <-admitted, "the oldest is first")
		}
		stopped := make(chan *trackedConn, 1)
		next()
		go func() { stopped <- tracker.admit() }()
		synctest.Wait()
		assert.Empty(t, stopped)
		tracker.drain()
		assert.Nil(t, <-stopped)
	})
}

// TestLargeRequestsAreParsedOneAtATime has connections that have sent more than net/http
// reads at once.
func TestLargeRequestsAreParsedOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newConnTracker(1000)
		pendingOne := func() *trackedConn {
			c := tracker.track(&fakeConn{})
			tracker.advance(c, pending)
			tracker.awaitClient(c, false)
			return c
		}
		small, parsed := pendingOne(), pendingOne()
		assert.True(t, tracker.receive(parsed, connOverhead+1))
		assert.True(t, tracker.receive(small, connOverhead))
		for i, release := range []func(*trackedConn){
			func(c *trackedConn) { tracker.awaitClient(c, false) },
			(*trackedConn).authenticate,
			func(c *trackedConn) { assert.NoError(t, c.Close()) },
		} {
			next, received := pendingOne(), make(chan bool, 1)
			go func() { received <- tracker.receive(next, connOverhead+1) }()
			synctest.Wait()
			assert.Empty(t, received, i)
			assert.NotNil(t, next.parseTurn, "it can be closed meanwhile")
			release(parsed)
			assert.True(t, <-received, i)
			parsed = next
		}
		arrived, next, received := tracker.track(&fakeConn{}), pendingOne(), make(chan bool, 1)
		tracker.advance(arrived, ready)
		tracker.awaitClient(parsed, false)
		go func() { received <- tracker.receive(next, connOverhead+1) }()
		synctest.Wait()
		assert.Empty(t, received, "a new request goes first")
		assert.Equal(t, arrived, tracker.admit())
		assert.True(t, <-received)
		parsed = next

		results := [2]chan bool{make(chan bool, 1), make(chan bool, 1)}
		last := [2]*trackedConn{pendingOne(), pendingOne()}
		for i, c := range last {
			go func() { results[i] <- tracker.receive(c, connOverhead+1) }()
			synctest.Wait()
		}
		assert.NoError(t, last[0].Close())
		assert.False(t, <-results[0], "it is closed")
		assert.Empty(t, results[1])
		tracker.awaitClient(parsed, false)
		assert.True(t, <-results[1])
	})
}

// TestConnectionsWithUnreadBytesAreKept has a client whose request has arrived, but the server
// has not read it yet.
func TestConnectionsWithUnreadBytesAreKept(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, l.Close()) }()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer func() { assert.NoError(t, client.Close()) }()
	server, err := l.Accept()
	require.NoError(t, err)
	tracker := newConnTracker(2)
	c := tracker.track(server)
	tracker.advance(c, silent)
	c.since = c.since.Add(-minSilentWait)
	oldest := func() *trackedConn {
		tracker.mu.Lock()
		defer tracker.mu.Unlock()
		victim, _ := tracker.oldest(silent, minSilentWait)
		return victim
	}
	assert.Equal(t, c, oldest())
	_, err = client.Write([]byte("G"))
	require.NoError(t, err)
	assert.Eventually(t, func() bool { return hasUnread(server) }, 10*time.Second, time.Millisecond)
	assert.Nil(t, oldest())
	assert.NoError(t, c.Close())
}

// TestReadThatHasBytesUndoesClose makes the tracker close a connection whose reader has bytes
// that it has not reported yet.
func TestReadThatHasBytesUndoesClose(t *testing.T) {
	for _, s := range []stage{silent, pending} {
		tracker := newConnTracker(1)
		c := tracker.track(&fakeConn{})
		report := func() bool { return tracker.markReady(c) }
		if tracker.advance(c, s); s == pending {
			tracker.awaitClient(c, false)
			report = func() bool { return tracker.receive(c, 5) }
		}
		tracker.mu.Lock()
		tracker.close(c)
		tracker.mu.Unlock()
		assert.True(t, isClosed(c))
		assert.Zero(t, tracker.open)
		assert.True(t, report())
		assert.False(t, isClosed(c))
		assert.Equal(t, 1, tracker.open)
		require.NoError(t, c.Close())
		assert.Zero(t, tracker.open)
		assert.Zero(t, tracker.pendingBytes)
		assert.False(t, report())
		tracker.drain()
		assert.Nil(t, tracker.track(&fakeConn{}))
	}
}

// TestOldestConnectionOfBothStagesIsEvicted has silent and pending connections in turn.
func TestOldestConnectionOfBothStagesIsEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newConnTracker(6)
		var conns []*trackedConn
		for i := range tracker.maxConns {
			c := tracker.track(&fakeConn{})
			if tracker.advance(c, silent); i%2 == 0 {
				tracker.advance(c, pending)
				tracker.awaitClient(c, false)
			}
			conns = append(conns, c)
		}
		time.Sleep(minSilentWait)
		for i, c := range conns {
			assert.False(t, isClosed(c), i)
			require.NotNil(t, tracker.track(&fakeConn{}))
			assert.True(t, isClosed(c), i)
		}
	})
}

// TestYoungConnectionsAreKept has connections that the server has awaited only briefly.
func TestYoungConnectionsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for next, wait := range map[stage]time.Duration{silent: minSilentWait, pending: minPendingWait} {
			tracker := newConnTracker(1)
			c := tracker.track(&fakeConn{})
			if tracker.advance(c, next); next == pending {
				tracker.awaitClient(c, false)
			}
			start := time.Now()
			require.NotNil(t, tracker.track(&fakeConn{}))
			assert.Equal(t, wait, time.Since(start))
			assert.True(t, isClosed(c))
		}
		// If there are few of them, the tracker closes an idle connection with the token.
		tracker := newConnTracker(100)
		idle := tracker.track(&fakeConn{})
		tracker.advance(idle, authenticated)
		for range tracker.maxConns {
			tracker.advance(tracker.track(&fakeConn{}), ready)
		}
		assert.True(t, isClosed(idle))
	})
}
