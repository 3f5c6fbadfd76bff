package faultproxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush/internal/test/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	response = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n0123456789abcdef"
	request  = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
)

// startServer starts a server that sends response whenever it receives bytes.
func startServer(t *testing.T) (target string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var active sync.WaitGroup
	active.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			active.Go(func() {
				defer func() { _ = conn.Close() }()
				for buffer := make([]byte, 1<<10); ; {
					if _, err := conn.Read(buffer); err != nil {
						return
					}
					_, _ = io.WriteString(conn, response)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		active.Wait()
	})
	return listener.Addr().String()
}

// dial connects to the proxy. The connection has the margin as its deadline.
func dial(t *testing.T, proxy *faultproxy.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", proxy.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(margin)))
	return conn
}

// send sends a request and returns up to size bytes of the response.
func send(t *testing.T, conn net.Conn, size int) string {
	t.Helper()
	_, err := io.WriteString(conn, request)
	require.NoError(t, err)
	got := make([]byte, size)
	n, _ := io.ReadFull(conn, got)
	return string(got[:n])
}

func TestProxyForwards(t *testing.T) {
	proxy := start(t, startServer(t))
	conn := dial(t, proxy)
	for range 3 {
		assert.Equal(t, response, send(t, conn, len(response)))
	}
	assert.Equal(t, faultproxy.Counts{Accepted: 1, Open: 1}, proxy.Counts())
	require.NoError(t, conn.Close())
	assert.Eventually(t, func() bool { return proxy.Counts().Open == 0 }, margin, time.Millisecond)
}

// TestFaultSendsItsBytes checks the bytes that each fault sends.
func TestFaultSendsItsBytes(t *testing.T) {
	const status = "HTTP/1.1 200 OK\r\n"
	for f, c := range map[faultproxy.Fault]struct {
		want string // the first bytes
		ends bool   // no more bytes follow
	}{
		faultproxy.HangAfterRequest: {"", false},
		faultproxy.ResetInBody:      {"", true}, // some systems drop the bytes before a reset
		faultproxy.Truncate:         {response[:len(response)-8], true},
		faultproxy.Drip:             {response[:2], true},
		faultproxy.Garbage:          {"\x00\xff " + faultproxy.Canary, false},
		faultproxy.HTTP09:           {`{"SecretString":"` + faultproxy.Canary, true},
		faultproxy.TLS:              {"\x15\x03\x01", true},
		faultproxy.EndlessHeaders:   {status + "X-Canary: " + faultproxy.Canary + "\r\nX-Canary: ", false},
		faultproxy.EndlessContinue:  {"HTTP/1.1 100 Continue\r\nX-Canary: " + faultproxy.Canary + "\r\n\r\nHTTP/1.1 100 Continue\r\n", false},
		faultproxy.HugeBody:         {status + "Content-Length: 1099511627776\r\n\r\n" + `{"SecretString":"` + faultproxy.Canary, false},
		faultproxy.HugeChunks:       {status + "Transfer-Encoding: chunked\r\n\r\n11\r\n" + `{"SecretString":"` + "\r\n", false},
		faultproxy.HugeRefusal:      {"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 1099511627776\r\n\r\n", false},
		faultproxy.EndlessChunks:    {status + "Transfer-Encoding: chunked\r\n\r\n5c\r\n" + `{"SecretString":"` + faultproxy.Canary, false},
		faultproxy.LongLength:       {status + "Content-Length: 93\r\n\r\n" + `{"SecretString":"` + faultproxy.Canary, false},
		faultproxy.ShortLength:      {status + "Content-Length: 46\r\n\r\n" + `{"SecretString":"` + faultproxy.Canary, false},
	} {
		t.Run(f.String(), func(t *testing.T) {
			proxy, err := faultproxy.New(startServer(t), &faultproxy.Options{DripEvery: time.Millisecond})
			require.NoError(t, err)
			defer proxy.Close()
			open := dial(t, proxy)
			require.Equal(t, response, send(t, open, len(response)))
			idle := dial(t, proxy)
			require.Equal(t, response, send(t, idle, len(response)))

			proxy.Set(f)
			for _, conn := range []net.Conn{open, dial(t, proxy)} {
				assert.Equal(t, c.want, send(t, conn, len(c.want)))
			}
			assert.Eventually(t, func() bool { return proxy.Counts().Failed == 2 }, margin, time.Millisecond)
			if c.ends {
				_, err = io.Copy(io.Discard, open)
				assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is held")
			} else {
				assert.Equal(t, 3, proxy.Counts().Open, "the connection is not held")
			}

			proxy.Set(faultproxy.None)
			assert.Equal(t, response, send(t, idle, len(response)), "a connection that met no fault")
			assert.Eventually(t, func() bool { return proxy.Counts().Open == 1 }, margin, time.Millisecond, "connections that met the fault are closed")
		})
	}
}

func TestResetFaultsResetTheConnection(t *testing.T) {
	proxy := start(t, startServer(t))
	proxy.Set(faultproxy.ResetInBody)
	conn := dial(t, proxy)
	send(t, conn, 0)
	_, err := io.ReadAll(conn)
	assert.Error(t, err, "the connection ended without a reset")

	proxy.Set(faultproxy.DeadKept)
	conn = dial(t, proxy)
	assert.Equal(t, response, send(t, conn, len(response)))
	assert.Empty(t, send(t, conn, 1))
	assert.Equal(t, 2, proxy.Counts().Failed)
}

// TestRefuseKeepsThePort checks that connections are refused, and that no other listener
// gets the port meanwhile.
func TestRefuseKeepsThePort(t *testing.T) {
	proxy := start(t, startServer(t))
	open := dial(t, proxy)
	for range 3 {
		proxy.Set(faultproxy.Refuse)
		_, err := net.Dial("tcp", proxy.Addr())
		require.Error(t, err)
		_, err = open.Read(make([]byte, 1))
		require.Error(t, err)
		for range 50 {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { _ = listener.Close() })
			require.NotEqual(t, proxy.Addr(), listener.Addr().String())
		}
		proxy.Set(faultproxy.None)
		open = dial(t, proxy)
		assert.Equal(t, response, send(t, open, len(response)))
	}
}

func TestHangBeforeRequestHoldsConnections(t *testing.T) {
	proxy := start(t, startServer(t))
	open := dial(t, proxy)
	require.Equal(t, response, send(t, open, len(response)))
	proxy.Set(faultproxy.HangBeforeRequest)
	_, err := open.Read(make([]byte, 1))
	require.Error(t, err, "an idle connection is closed")
	held := dial(t, proxy)
	assert.Empty(t, send(t, held, 0))
	assert.Eventually(t, func() bool { return proxy.Counts().Failed == 1 }, margin, time.Millisecond)
	proxy.Set(faultproxy.Drip)
	_, err = held.Read(make([]byte, 1))
	assert.Error(t, err, "a connection that met the fault before is closed")
}

// TestCloseEndsConnections closes a proxy during each fault. TestMain checks that no
// goroutine is left.
func TestCloseEndsConnections(t *testing.T) {
	target := startServer(t)
	for _, f := range append(faultproxy.Faults(), faultproxy.None) {
		proxy, err := faultproxy.New(target, nil)
		require.NoError(t, err)
		open := dial(t, proxy)
		require.Equal(t, response, send(t, open, len(response)))
		proxy.Set(f)
		if f != faultproxy.Refuse {
			send(t, dial(t, proxy), 0)
		}
		proxy.Close()
		proxy.Close()
		proxy.Set(faultproxy.None)
		assert.Zero(t, proxy.Counts().Open, f)
		_, err = net.Dial("tcp", proxy.Addr())
		assert.Error(t, err, f)
	}
}

// TestServerIsDown checks that the proxy fails if its server does.
func TestServerIsDown(t *testing.T) {
	proxy := start(t, "127.0.0.1:1")
	for _, f := range []faultproxy.Fault{faultproxy.None, faultproxy.Truncate} {
		proxy.Set(f)
		conn := dial(t, proxy)
		_, _ = io.WriteString(conn, request)
		_, err := conn.Read(make([]byte, 1))
		assert.Error(t, err)
	}
}

func TestFaultsHaveNames(t *testing.T) {
	seen := map[string]bool{"": true}
	for _, f := range append(faultproxy.Faults(), faultproxy.None) {
		assert.False(t, seen[f.String()], "fault %d: %q", f, f)
		seen[f.String()] = true
	}
}

func Example() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	proxy, err := faultproxy.New(server.Listener.Addr().String(), nil)
	if err != nil {
		panic(err)
	}
	defer proxy.Close()

	client := &http.Client{Transport: &http.Transport{}}
	get := func() {
		resp, err := client.Get(proxy.URL())
		if err != nil {
			fmt.Println("failed")
			return
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = io.Copy(io.Discard, resp.Body)
		fmt.Println(resp.StatusCode, err)
	}
	get()
	proxy.Set(faultproxy.Truncate)
	get()
	proxy.Set(faultproxy.None)
	get()
	// Output:
	// 404 <nil>
	// 404 unexpected EOF
	// 404 <nil>
}
