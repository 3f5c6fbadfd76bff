package extension_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

// A mortal is a server that responds to the first request on each connection. For a
// later request, it calls die.
type mortal struct {
	net.Listener
	die func(*net.TCPConn)
	// together delays the first responses until this number of connections is open.
	together *sync.WaitGroup

	mu       sync.Mutex
	requests int
	open     []net.Conn
	conns    sync.WaitGroup
}

func startMortal(t *testing.T, together int, die func(*net.TCPConn)) *mortal {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &mortal{Listener: l, die: die, together: &sync.WaitGroup{}}
	m.together.Add(together)
	m.conns.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			m.open = append(m.open, conn)
			m.mu.Unlock()
			m.conns.Go(func() { m.serve(conn.(*net.TCPConn), n < together) })
		}
	})
	t.Cleanup(m.stop)
	return m
}

func (m *mortal) stop() {
	_ = m.Close()
	m.mu.Lock()
	for _, conn := range m.open {
		_ = conn.Close()
	}
	m.mu.Unlock()
	m.conns.Wait()
}

func (m *mortal) serve(conn *net.TCPConn, waits bool) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	for first := true; ; first = false {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		m.mu.Lock()
		m.requests++
		m.mu.Unlock()
		if !first {
			m.die(conn)
			return
		}
		if waits {
			m.together.Done()
			m.together.Wait()
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(good), good)
	}
}

func (m *mortal) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.requests
}

// deaths are the ways in which idle connections end.
var deaths = map[string]func(*net.TCPConn){
	"closed": func(*net.TCPConn) {},
	"reset":  func(c *net.TCPConn) { _ = c.SetLinger(0) },
	"cut in the headers": func(c *net.TCPConn) {
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Le")
	},
	"cut in the body": func(c *net.TCPConn) {
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(good), good[:5])
	},
	"cut in a chunk": func(c *net.TCPConn) {
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n%s", good)
	},
}

func TestDeadIdleConnectionIsReplaced(t *testing.T) {
	inLambda(t)
	for how, die := range deaths {
		for _, kept := range []int{1, 5} {
			m := startMortal(t, kept, die)
			p := open(t, extension.Options{Endpoint: "http://" + m.Addr().String(), Timeout: -1})
			var wg sync.WaitGroup
			for range kept {
				wg.Go(func() {
					_, err := p.Get(t.Context(), hush.Name("db"))
					assert.NoError(t, err, how)
				})
			}
			wg.Wait()
			require.Equal(t, kept, m.count())
			got, err := p.Get(t.Context(), hush.Name("db"))
			require.NoError(t, err, "%s, %d kept", how, kept)
			assert.Equal(t, "x", got.Value.Reveal())
			assert.GreaterOrEqual(t, m.count(), kept+2, "no idle connection was tried")
		}
	}
}

func TestServerThatAlwaysHangsUp(t *testing.T) {
	inLambda(t)
	for how, die := range deaths {
		var requests atomic.Int32
		endpoint := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			conn, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				die(conn.(*net.TCPConn))
				_ = conn.Close()
			}
		})
		_, err := open(t, extension.Options{Endpoint: endpoint}).Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), how)
		assert.EqualValues(t, 2, requests.Load(), "one retry: %s", how)
	}
}

func TestInvalidHTTPIsNotQuoted(t *testing.T) {
	inLambda(t)
	for _, text := range []string{
		canary + " " + sessionToken + "\r\n\r\n",
		"HTTP/1.1 " + canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
		"HTTP/9.9 200 " + canary + "\r\n\r\n",
	} {
		endpoint := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				_, _ = conn.Write([]byte(text))
				_ = conn.Close()
			}
		})
		_, err := open(t, extension.Options{Endpoint: endpoint}).Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%q", text)
		assert.Empty(t, providertest.Leaks(err, canary, sessionToken), "%q", text)
	}
}
