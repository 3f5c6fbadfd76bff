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
	truth    = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n0123456789abcdef"
	question = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
)

// startParrot starts a server that says the truth whenever it is told anything.
func startParrot(t *testing.T) (target string) {
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
					_, _ = io.WriteString(conn, truth)
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

// dial connects to the proxy, for as long as the margin.
func dial(t *testing.T, proxy *faultproxy.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", proxy.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(margin)))
	return conn
}

// tells sends a request and reads as many bytes of what comes back.
func tells(t *testing.T, conn net.Conn, most int) string {
	t.Helper()
	_, err := io.WriteString(conn, question)
	require.NoError(t, err)
	got := make([]byte, most)
	n, _ := io.ReadFull(conn, got)
	return string(got[:n])
}

func TestForwards(t *testing.T) {
	proxy := start(t, startParrot(t))
	conn := dial(t, proxy)
	for range 3 {
		assert.Equal(t, truth, tells(t, conn, len(truth)))
	}
	assert.Equal(t, faultproxy.Counts{Accepted: 1, Open: 1}, proxy.Counts())
	require.NoError(t, conn.Close())
	assert.Eventually(t, func() bool { return proxy.Counts().Open == 0 }, margin, time.Millisecond)
}

// TestFaults sees what each fault puts on the wire, before a client makes
// something of it.
func TestFaults(t *testing.T) {
	const status = "HTTP/1.1 200 OK\r\n"
	for f, c := range map[faultproxy.Fault]struct {
		says string // begins with this
		ends bool   // and nothing more comes
	}{
		faultproxy.HangAfterRequest: {"", false},
		faultproxy.ResetInBody:      {"", true}, // some systems drop what came before a reset
		faultproxy.Truncate:         {truth[:len(truth)-8], true},
		faultproxy.Drip:             {truth[:2], true},
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
			proxy, err := faultproxy.New(startParrot(t), &faultproxy.Options{DripEvery: time.Millisecond})
			require.NoError(t, err)
			defer proxy.Close()
			kept := dial(t, proxy)
			require.Equal(t, truth, tells(t, kept, len(truth)))
			idle := dial(t, proxy)
			require.Equal(t, truth, tells(t, idle, len(truth)))

			proxy.Set(f)
			for _, conn := range []net.Conn{kept, dial(t, proxy)} {
				assert.Equal(t, c.says, tells(t, conn, len(c.says)))
			}
			assert.Eventually(t, func() bool { return proxy.Counts().Struck == 2 }, margin, time.Millisecond)
			if c.ends {
				_, err = io.Copy(io.Discard, kept)
				assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it is held")
			} else {
				assert.Equal(t, 3, proxy.Counts().Open, "it is not held")
			}

			proxy.Set(faultproxy.None)
			assert.Equal(t, truth, tells(t, idle, len(truth)), "a connection that met no fault")
			assert.Eventually(t, func() bool { return proxy.Counts().Open == 1 }, margin, time.Millisecond, "those that met it are closed")
		})
	}
}

func TestReset(t *testing.T) {
	proxy := start(t, startParrot(t))
	proxy.Set(faultproxy.ResetInBody)
	conn := dial(t, proxy)
	tells(t, conn, 0)
	_, err := io.ReadAll(conn)
	assert.Error(t, err, "an orderly end")

	proxy.Set(faultproxy.DeadKept)
	conn = dial(t, proxy)
	assert.Equal(t, truth, tells(t, conn, len(truth)))
	assert.Empty(t, tells(t, conn, 1))
	assert.Equal(t, 2, proxy.Counts().Struck)
}

// TestRefuse sees connections refused, and the port kept meanwhile.
func TestRefuse(t *testing.T) {
	proxy := start(t, startParrot(t))
	kept := dial(t, proxy)
	for range 3 {
		proxy.Set(faultproxy.Refuse)
		_, err := net.Dial("tcp", proxy.Addr())
		require.Error(t, err)
		_, err = kept.Read(make([]byte, 1))
		require.Error(t, err)
		for range 50 {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { _ = listener.Close() })
			require.NotEqual(t, proxy.Addr(), listener.Addr().String())
		}
		proxy.Set(faultproxy.None)
		kept = dial(t, proxy)
		assert.Equal(t, truth, tells(t, kept, len(truth)))
	}
}

func TestHangBeforeRequest(t *testing.T) {
	proxy := start(t, startParrot(t))
	kept := dial(t, proxy)
	require.Equal(t, truth, tells(t, kept, len(truth)))
	proxy.Set(faultproxy.HangBeforeRequest)
	_, err := kept.Read(make([]byte, 1))
	require.Error(t, err, "a kept connection is closed")
	held := dial(t, proxy)
	assert.Empty(t, tells(t, held, 0))
	assert.Eventually(t, func() bool { return proxy.Counts().Struck == 1 }, margin, time.Millisecond)
	proxy.Set(faultproxy.Drip)
	_, err = held.Read(make([]byte, 1))
	assert.Error(t, err, "a connection that met the fault before is closed")
}

// TestClose ends whatever goes on; TestMain sees that no goroutine is left.
func TestClose(t *testing.T) {
	target := startParrot(t)
	for _, f := range append(faultproxy.Faults(), faultproxy.None) {
		proxy, err := faultproxy.New(target, nil)
		require.NoError(t, err)
		kept := dial(t, proxy)
		require.Equal(t, truth, tells(t, kept, len(truth)))
		proxy.Set(f)
		if f != faultproxy.Refuse {
			tells(t, dial(t, proxy), 0)
		}
		proxy.Close()
		proxy.Close()
		proxy.Set(faultproxy.None)
		assert.Zero(t, proxy.Counts().Open, f)
		_, err = net.Dial("tcp", proxy.Addr())
		assert.Error(t, err, f)
	}
}

// TestServerThatIsDown: the proxy is no better than what it stands before.
func TestServerThatIsDown(t *testing.T) {
	proxy := start(t, "127.0.0.1:1")
	for _, f := range []faultproxy.Fault{faultproxy.None, faultproxy.Truncate} {
		proxy.Set(f)
		conn := dial(t, proxy)
		_, _ = io.WriteString(conn, question)
		_, err := conn.Read(make([]byte, 1))
		assert.Error(t, err)
	}
}

func TestNames(t *testing.T) {
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
	ask := func() {
		response, err := client.Get(proxy.URL())
		if err != nil {
			fmt.Println("failed")
			return
		}
		defer func() { _ = response.Body.Close() }()
		_, err = io.Copy(io.Discard, response.Body)
		fmt.Println(response.StatusCode, err)
	}
	ask()
	proxy.Set(faultproxy.Truncate)
	ask()
	proxy.Set(faultproxy.None)
	ask()
	// Output:
	// 404 <nil>
	// 404 unexpected EOF
	// 404 <nil>
}
