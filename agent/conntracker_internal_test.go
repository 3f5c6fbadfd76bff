package agent

import (
	"math/rand/v2"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fakeConn can only be closed.
type fakeConn struct {
	net.Conn
	closed bool
}

func (c *fakeConn) Close() error {
	c.closed = true
	return nil
}

func isClosed(c *trackedConn) bool { return c.Conn.(*fakeConn).closed }

// TestUnreadConnectionsAreNotClosed has connections that may have sent a request.
func TestUnreadConnectionsAreNotClosed(t *testing.T) {
	tracker := &connTracker{maxConns: 4}
	unread, arrived, silentOne, halfDone := tracker.track(&fakeConn{}), tracker.track(&fakeConn{}), tracker.track(&fakeConn{}), tracker.track(&fakeConn{})
	tracker.advance(arrived, ready)
	assert.Nil(t, tracker.track(&fakeConn{}), "the new one is closed")
	tracker.await(halfDone)
	tracker.receive(halfDone, 100)
	assert.Nil(t, tracker.track(&fakeConn{}), "the server works on what it has received")
	tracker.advance(silentOne, silent)
	require.NotNil(t, tracker.track(&fakeConn{}))
	tracker.await(halfDone)
	require.NotNil(t, tracker.track(&fakeConn{}))
	assert.Equal(t, []bool{false, false, true, true}, []bool{isClosed(unread), isClosed(arrived), isClosed(silentOne), isClosed(halfDone)})
}

// TestTheOldestOfBothStagesIsClosed has silent and pending connections in turn.
func TestTheOldestOfBothStagesIsClosed(t *testing.T) {
	tracker := &connTracker{maxConns: 6}
	var conns []*trackedConn
	for i := range tracker.maxConns {
		c := tracker.track(&fakeConn{})
		if tracker.advance(c, silent); i%2 == 0 {
			tracker.await(c)
		}
		conns = append(conns, c)
	}
	for i, c := range conns {
		assert.False(t, isClosed(c), i)
		require.NotNil(t, tracker.track(&fakeConn{}))
		assert.True(t, isClosed(c), i)
	}
}

// TestTrackerForgetsConnections does anything with many connections until all of them
// are closed.
func TestTrackerForgetsConnections(t *testing.T) {
	tracker := &connTracker{maxConns: 50}
	var conns []*trackedConn
	for range 5000 {
		if rand.N(4) == 0 || len(conns) == 0 {
			if c := tracker.track(&fakeConn{}); c != nil {
				conns = append(conns, c)
			}
			continue
		}
		c := conns[rand.N(len(conns))]
		switch rand.N(8) {
		case 0, 1:
			tracker.advance(c, stage(rand.N(int(closed))))
		case 2, 3:
			tracker.await(c)
		case 4, 5:
			tracker.receive(c, rand.N(30_000))
		case 6:
			c.busy.Store(rand.N(2) == 0)
		case 7:
			require.NoError(t, c.Close())
		}
		assert.LessOrEqual(t, tracker.open, tracker.maxConns)
	}
	for _, c := range conns {
		assert.Equal(t, isClosed(c), c.stage == closed)
		require.NoError(t, c.Close())
	}
	assert.Zero(t, tracker.open)
	assert.Zero(t, tracker.unproven)
	for s := range tracker.conns {
		assert.Zero(t, tracker.conns[s].Len(), s)
	}
}
