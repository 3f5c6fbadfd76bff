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

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

// A hall is Serve in a bubble, whose time is not real.
type hall struct {
	t      *testing.T
	pipes  *pipes
	stop   context.CancelFunc
	served chan error
}

func openHall(t *testing.T, h http.Handler) *hall {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	o := &hall{t, &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, stop, make(chan error, 1)}
	go func() { o.served <- agent.Serve(ctx, o.pipes, h) }()
	return o
}

// dial connects, and sends text, if there is any.
func (o *hall) dial(text string) net.Conn {
	o.t.Helper()
	ours, theirs := net.Pipe()
	o.pipes.conns <- theirs
	if text != "" {
		_, err := io.WriteString(ours, text)
		require.NoError(o.t, err)
	}
	return ours
}

func (o *hall) close() {
	o.t.Helper()
	o.stop()
	assert.NoError(o.t, <-o.served)
}

// status reads an answer, and returns its status.
func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	assert.NoError(t, err)
	assert.NoError(t, response.Body.Close())
	return response.StatusCode
}

// ended waits for the end of a connection.
func ended(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF)
	assert.NoError(t, conn.Close())
}

func lasts(t *testing.T, limit time.Duration, do func()) {
	t.Helper()
	start := time.Now()
	do()
	assert.Equal(t, limit, time.Since(start))
}

const pinging = "GET /ping HTTP/1.1\r\nHost: x\r\n"

func TestNobodyWaitsForABody(t *testing.T) {
	for _, head := range []string{"Content-Length: 9", "Transfer-Encoding: chunked", "Content-Length: 9\r\nExpect: 100-continue"} {
		for _, method := range []string{"GET", "POST"} {
			synctest.Test(t, func(t *testing.T) {
				o := openHall(t, agent.Handler(echoing, token, nil))
				conn := o.dial(method + " /v1/db HTTP/1.1\r\nHost: x\r\nX-Vault-Token: " + token + "\r\n" + head + "\r\n\r\n")
				synctest.Wait() // until the answer, or what it waits for
				start := time.Now()
				o.stop()
				assert.Equal(t, map[string]int{"GET": 200, "POST": 405}[method], status(t, conn), head)
				ended(t, conn)
				assert.NoError(t, <-o.served)
				assert.Less(t, time.Since(start), time.Second)
			})
		}
	}
}

// TestABodyThatComesIsRead keeps the connection for the next request.
func TestABodyThatComesIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openHall(t, agent.Handler(echoing, token, nil))
		conn := o.dial("POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
		assert.Equal(t, 405, status(t, conn))
		time.Sleep(time.Second)
		_, err := io.WriteString(conn, pinging+"\r\n")
		require.NoError(t, err)
		assert.Equal(t, 200, status(t, conn))
		o.close()
		ended(t, conn)
	})
}

func TestServesLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openHall(t, agent.Handler(echoing, token, nil))
		half := o.dial(pinging)
		lasts(t, 10*time.Second, func() { ended(t, half) })
		idle := o.dial(pinging + "\r\n")
		assert.Equal(t, 200, status(t, idle))
		lasts(t, time.Minute, func() { ended(t, idle) })
		large := o.dial(pinging + "X: ")
		go func() { _, _ = io.WriteString(large, strings.Repeat("x", 80<<10)+"\r\n\r\n") }() // as much as is taken
		assert.Equal(t, 431, status(t, large))
		assert.NoError(t, large.Close())
		o.close()
	})
}

// TestHalfARequestDoesNotHoldAStop has three connections that nobody would miss.
func TestHalfARequestDoesNotHoldAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openHall(t, agent.Handler(echoing, token, nil))
		half, silent, kept := o.dial(pinging), o.dial(""), o.dial(pinging+"\r\n")
		assert.Equal(t, 200, status(t, kept))
		start := time.Now()
		o.close()
		assert.Less(t, time.Since(start), time.Second)
		for _, conn := range []net.Conn{half, silent, kept} {
			ended(t, conn)
		}
	})
}

const mostConns = 3200 // as Serve documents

func TestIdleConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openHall(t, agent.Handler(echoing, token, nil))
		var idle []net.Conn
		for range mostConns {
			idle = append(idle, o.dial(pinging))
		}
		synctest.Wait()
		for range 3 {
			next := o.dial(pinging + "\r\n")
			assert.Equal(t, 200, status(t, next))
			idle = append(idle, next)
		}
		closed := 0
		for _, conn := range idle {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := conn.Read(make([]byte, 1)); err == io.EOF {
				closed++
			}
			assert.NoError(t, conn.Close())
		}
		assert.Equal(t, 3, closed)
		synctest.Wait()
		last := o.dial(pinging + "\r\n")
		assert.Equal(t, 200, status(t, last))
		o.close()
		ended(t, last)
	})
}

// TestBusyConnectionsKeepTheirs has no connection that could make room.
func TestBusyConnectionsKeepTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		o := openHall(t, agent.Handler(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
			<-release
			return hush.Secret{}, nil
		}), token, &agent.Options{MaxRequests: -1}))
		busy := make([]net.Conn, mostConns)
		for i := range busy {
			busy[i] = o.dial("GET /v1/db HTTP/1.1\r\nHost: x\r\nX-Vault-Token: " + token + "\r\n\r\n")
		}
		synctest.Wait()
		ended(t, o.dial(""))
		close(release)
		for _, conn := range busy {
			assert.Equal(t, 200, status(t, conn))
		}
		o.close()
		for _, conn := range busy {
			assert.NoError(t, conn.Close())
		}
	})
}
