package agent

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTrackerForgetsConnections makes random calls with many connections until all of them are
// closed.
func TestTrackerForgetsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newConnTracker(50)
		var conns []*trackedConn
		for range 5000 {
			if rand.N(4) == 0 || len(conns) == 0 {
				if tracker.open < tracker.maxConns {
					conns = append(conns, tracker.track(&fakeConn{}))
				}
				continue
			}
			c := conns[rand.N(len(conns))]
			switch rand.N(7) {
			case 0, 1:
				tracker.advance(c, stage(rand.N(int(closed))))
			case 2:
				tracker.awaitClient(c, false)
			case 3, 4:
				if c.parseTurn == nil {
					go tracker.receive(c, rand.N(30_000))
				}
			case 5:
				c.inRequest.Store(rand.N(2) == 0)
			case 6:
				require.NoError(t, c.Close())
			}
			synctest.Wait()
			assert.LessOrEqual(t, tracker.open, tracker.maxConns)
		}
		for _, c := range conns {
			assert.Equal(t, isClosed(c), c.stage == closed)
			require.NoError(t, c.Close())
		}
		synctest.Wait()
		assert.Zero(t, tracker.open)
		assert.Zero(t, tracker.pendingBytes)
		assert.Zero(t, tracker.parseQueue.Len())
		assert.Nil(t, tracker.parsing)
		for s := range tracker.conns {
			assert.Zero(t, tracker.conns[s].Len(), s)
		}
	})
}
