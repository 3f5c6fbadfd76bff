package agent_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/agent"
)

// A bubbleServer runs Serve in a synctest bubble, with connections in memory.
type bubbleServer struct {
	t      *testing.T
	pipes  *pipes
	stop   context.CancelFunc
	served chan error
}

func serveInBubble(t *testing.T, h http.Handler) *bubbleServer {
	t.Helper()
	return serveWrapped(t, h, func(l net.Listener) net.Listener { return l })
}

// serveWrapped is serveInBubble with a listener that wraps the one in memory.
func serveWrapped(t *testing.T, h http.Handler, wrap func(net.Listener) net.Listener) *bubbleServer {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &bubbleServer{t, &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, stop, make(chan error, 1)}
	go func() { s.served <- agent.Serve(ctx, wrap(s.pipes), h) }()
	return s
}

// dial connects and sends text, unless it is empty.
func (s *bubbleServer) dial(text string) net.Conn {
	s.t.Helper()
	client, server := net.Pipe()
	s.pipes.conns <- server
	if text != "" {
		_, err := io.WriteString(client, text)
		require.NoError(s.t, err)
	}
	synctest.Wait()
	return client
}

// dialMany connects n times and sends text on each connection.
func (s *bubbleServer) dialMany(n int, text string) []net.Conn {
	s.t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = s.dial(text)
	}
	return conns
}

func (s *bubbleServer) close() {
	s.t.Helper()
	s.stop()
	assert.NoError(s.t, <-s.served)
}

// readStatus reads a response and returns its status.
func readStatus(t *testing.T, conn net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	assert.NoError(t, err)
	assert.NoError(t, response.Body.Close())
	return response.StatusCode
}

// requireClosed waits until the server closes a connection.
func requireClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF)
	assert.NoError(t, conn.Close())
}

// closedConns closes conns and returns the indexes of those that the server had closed before,
// with or without a response.
func closedConns(t *testing.T, conns []net.Conn) (closed []int) {
	t.Helper()
	for i, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // fails if the server has closed conn
		if _, err := io.Copy(io.Discard, conn); err == nil {
			closed = append(closed, i)
		}
		assert.NoError(t, conn.Close())
	}
	return closed
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func requireDuration(t *testing.T, limit time.Duration, do func()) {
	t.Helper()
	start := time.Now()
	do()
	assert.Equal(t, limit, time.Since(start))
}

const (
	pinging   = "GET /ping HTTP/1.1\r\nHost: x\r\n"
	getting   = "GET /v1/db HTTP/1.1\r\nHost: x\r\nX-Vault-Token: " + token + "\r\n"
	mostConns = 3200 // the documented limits of Serve
	mostBytes = 1 << 20
)

func TestResponseDoesNotWaitForRequestBody(t *testing.T) {
	for _, head := range []string{"Content-Length: 9", "Transfer-Encoding: chunked", "Content-Length: 9\r\nExpect: 100-continue"} {
		for _, method := range []string{"GET", "POST"} {
			synctest.Test(t, func(t *testing.T) {
				s := serveInBubble(t, agent.Handler(echo, token, nil))
				conn := s.dial(method + strings.TrimPrefix(getting, "GET") + head + "\r\n\r\n")
				start := time.Now()
				s.stop()
				assert.Equal(t, map[string]int{"GET": 200, "POST": 405}[method], readStatus(t, conn), head)
				requireClosed(t, conn)
				assert.NoError(t, <-s.served)
				// net/http waits 500 ms before it closes a connection, and checks every 500 ms whether
				// all connections are closed.
				assert.Less(t, time.Since(start), 2*time.Second)
			})
		}
	}
}

// TestRequestBodyIsRead checks that the connection serves the next request.
func TestRequestBodyIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, agent.Handler(echo, token, nil))
		conn := s.dial("POST" + strings.TrimPrefix(getting, "GET") + "Content-Length: 2\r\n\r\nab")
		assert.Equal(t, 405, readStatus(t, conn))
		time.Sleep(time.Second)
		_, err := io.WriteString(conn, getting+"\r\n")
		require.NoError(t, err)
		assert.Equal(t, 200, readStatus(t, conn))
		s.close()
		requireClosed(t, conn)
	})
}

// TestUnauthenticatedConnectionIsClosedAfterResponse sends a second request on each connection
// before it reads the first response.
func TestUnauthenticatedConnectionIsClosedAfterResponse(t *testing.T) {
	forwarded := "X-Forwarded-For: 127.0.0.1\r\n"
	for request, want := range map[string]int{
		pinging:                          200,
		pinging + "X-Vault-Token: x\r\n": 200,
		pinging + forwarded:              200,
		strings.Replace(pinging, "GET", "POST", 1):               405,
		"GET /v1/db HTTP/1.1\r\nHost: x\r\n":                     403,
		"GET /v1/db HTTP/1.1\r\nHost: x\r\nX-Vault-Token: x\r\n": 403,
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n":                      403,
		getting + "X-Vault-Token: x\r\n":                         403,
		getting + forwarded:                                      400,
		"GET /v1/db HTTP/1.1\r\nno header\r\n":                   400,
		getting + "X: " + strings.Repeat("x", 32<<10) + "\r\n":   431,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := serveInBubble(t, agent.Handler(echo, token, nil))
			conn := s.dial("")
			go func() { _, _ = io.WriteString(conn, request+"\r\n"+getting+"\r\n") }() // the server stops reading
			r := bufio.NewReader(conn)
			response, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, response.Body)
			assert.NoError(t, err)
			assert.Equal(t, want, response.StatusCode, request)
			assert.True(t, response.Close, request)
			_, err = r.ReadByte()
			assert.ErrorIs(t, err, io.EOF, request)
			assert.NoError(t, conn.Close())
			s.close()
		})
	}
}

// TestUnauthenticatedRequestBodyIsNotAwaited does not send the bodies. net/http would wait for
// a short body, and would wait 500 ms after a long body.
func TestUnauthenticatedRequestBodyIsNotAwaited(t *testing.T) {
	for _, length := range []string{"Content-Length: 9", "Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		for method, want := range map[string]string{"GET": "Bad Token", "HEAD": ""} {
			synctest.Test(t, func(t *testing.T) {
				s := serveInBubble(t, agent.Handler(echo, token, nil))
				requireDuration(t, 0, func() {
					conn := s.dial(method + " /v1/db HTTP/1.1\r\nHost: x\r\n" + length + "\r\n\r\n")
					head, err := io.ReadAll(conn)
					require.NoError(t, err)
					assert.Regexp(t, "^HTTP/1.1 403 Forbidden\r\n(?s:.*)Connection: close\r\n(?s:.*)\r\n\r\n"+want+"$", string(head), length)
					assert.NoError(t, conn.Close())
				})
				s.close()
			})
		}
	}
}

// TestAuthenticatedConnectionIsKept also requests responses that are not secrets.
func TestAuthenticatedConnectionIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, agent.Handler(echo, token, nil))
		conn := s.dial("")
		for path, want := range map[string]int{"/v1/db": 200, "/ping": 200, "/v1/": 400, "/nowhere": 404} {
			_, err := io.WriteString(conn, strings.Replace(getting, "/v1/db", path, 1)+"\r\n")
			require.NoError(t, err)
			assert.Equal(t, want, readStatus(t, conn), path)
		}
		s.close()
		requireClosed(t, conn)
	})
}

func TestServeTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, agent.Handler(echo, token, nil))
		for _, text := range []string{"", pinging} {
			half := s.dial(text)
			requireDuration(t, 5*time.Second, func() { requireClosed(t, half) })
		}
		idle := s.dial(getting + "\r\n")
		assert.Equal(t, 200, readStatus(t, idle))
		requireDuration(t, time.Minute, func() { requireClosed(t, idle) })
		s.close()
	})
}

// TestLongestRequestIsServed sends the longest token and a name of 2,048 escaped bytes.
func TestLongestRequestIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("t", 16<<10)
		s := serveInBubble(t, agent.Handler(echo, long, nil))
		conn := s.dial("GET /secretsmanager/get?secretId=" + strings.Repeat("%2F", 2048) + " HTTP/1.1\r\nHost: x\r\nX-Vault-Token: " + long + "\r\n\r\n")
		assert.Equal(t, 200, readStatus(t, conn))
		assert.NoError(t, conn.Close())
		s.close()
	})
}

// TestIncompleteRequestDoesNotDelayShutdown has idle connections and half a request.
func TestIncompleteRequestDoesNotDelayShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, agent.Handler(echo, token, nil))
		half, silent, kept := s.dial(pinging), s.dial(""), s.dial(getting+"\r\n")
		assert.Equal(t, 200, readStatus(t, kept))
		start := time.Now()
		s.close()
		assert.Less(t, time.Since(start), time.Second)
		for _, conn := range []net.Conn{half, silent, kept} {
			requireClosed(t, conn)
		}
	})
}
