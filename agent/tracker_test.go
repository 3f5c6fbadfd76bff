package agent_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

// TestBytesOfUnauthenticatedConnectionsAreBounded checks that Serve closes the oldest ones that
// have sent bytes.
func TestBytesOfUnauthenticatedConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, agent.Handler(echo, token, nil))
		idle := s.dial(getting + "\r\n")
		assert.Equal(t, 200, readStatus(t, idle))
		silent := s.dial("")
		const size, charge = 16 << 10, 4 << 10
		head := pinging + "X: "
		half := s.dialMany(mostBytes/(size+charge)+5, head+strings.Repeat("x", size-len(head)))
		assert.Equal(t, upTo(5), closedConns(t, half))
		one := s.dialMany(mostBytes/charge+7, "G") // the overhead counts, too
		time.Sleep(250 * time.Millisecond)
		assert.Equal(t, upTo(7), closedConns(t, one))
		assert.Empty(t, closedConns(t, []net.Conn{idle, silent}))
		s.close()
	})
}

// TestManyRequestsOfOneConnectionAreNotCounted has a client with the token, whose bytes do not
// count.
func TestManyRequestsOfOneConnectionAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, agent.Handler(echo, token, nil))
		half, conn := s.dial(pinging), s.dial("")
		for range 2 * mostBytes / (16 << 10) {
			_, err := io.WriteString(conn, getting+"X: "+strings.Repeat("x", 16<<10)+"\r\n\r\n")
			require.NoError(t, err)
			require.Equal(t, 200, readStatus(t, conn))
		}
		assert.Empty(t, closedConns(t, []net.Conn{half, conn}))
		s.close()
	})
}

// TestIdleConnectionsAreEvicted has the maximum number of connections. Most have sent the token.
// Serve closes the others first.
func TestIdleConnectionsAreEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, agent.Handler(echo, token, nil))
		var idle []net.Conn
		for range mostConns - 2 {
			conn := s.dial(getting + "\r\n")
			require.Equal(t, 200, readStatus(t, conn))
			idle = append(idle, conn)
		}
		silent, half := s.dial(""), s.dial(pinging)
		time.Sleep(250 * time.Millisecond) // Serve may close them from now on
		for range 5 {
			conn := s.dial(getting + "\r\n")
			assert.Equal(t, 200, readStatus(t, conn))
			idle = append(idle, conn)
		}
		requireClosed(t, silent)
		requireClosed(t, half)
		assert.Equal(t, upTo(3), closedConns(t, idle))
		s.close()
	})
}

// TestBusyConnectionsAreKept has only connections with a request in flight. A new connection
// waits.
func TestBusyConnectionsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := serveInBubble(t, agent.Handler(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
			<-release
			return hush.Secret{}, nil
		}), token, &agent.Options{MaxRequests: -1}))
		busy := s.dialMany(mostConns, getting+"\r\n")
		last := s.dial("")
		close(release)
		assert.Equal(t, 200, readStatus(t, busy[0]))
		_, err := io.WriteString(last, getting+"\r\n")
		require.NoError(t, err)
		assert.Equal(t, 200, readStatus(t, last))
		requireClosed(t, busy[0]) // in favor of the new one
		for _, conn := range busy[1:] {
			assert.Equal(t, 200, readStatus(t, conn))
		}
		s.close()
		for _, conn := range append(busy, last) {
			assert.NoError(t, conn.Close())
		}
	})
}

// TestConnectionIsEvictedIfNoFileDescriptorIsLeft has a listener that fails with EMFILE.
func TestConnectionIsEvictedIfNoFileDescriptorIsLeft(t *testing.T) {
	for _, fault := range []error{syscall.EMFILE, syscall.ENFILE} {
		synctest.Test(t, func(t *testing.T) {
			files := make(chan struct{}, 3)
			s := serveWrapped(t, agent.Handler(echo, token, nil), func(l net.Listener) net.Listener {
				return &fdExhaustedListener{Listener: l, fault: fault, files: files}
			})
			silent := s.dialMany(cap(files), "")
			time.Sleep(250 * time.Millisecond)
			requireDuration(t, 0, func() {
				conn := s.dial(getting + "\r\n")
				assert.Equal(t, 200, readStatus(t, conn))
				assert.NoError(t, conn.Close())
			})
			assert.Equal(t, upTo(2), closedConns(t, silent))
			s.close()
		})
	}
}

// A fdExhaustedListener has at most as many connections as files has room for.
type fdExhaustedListener struct {
	net.Listener
	fault error
	files chan struct{}
}

func (l *fdExhaustedListener) Accept() (net.Conn, error) {
	select {
	case l.files <- struct{}{}:
	default:
		return nil, &net.OpError{Op: "accept", Err: l.fault}
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.files
		return nil, err
	}
	return &fdExhaustedConn{Conn: conn, closed: sync.OnceFunc(func() { <-l.files })}, nil
}

type fdExhaustedConn struct {
	net.Conn
	closed func()
}

func (c *fdExhaustedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
