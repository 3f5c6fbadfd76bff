package faultproxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/internal/test/faultproxy"
	"github.com/hush-secrets/hush/vault"
)

const leak = `{"SecretString":"` + faultproxy.Canary + `","data":{"data":{"value":"` + faultproxy.Canary + `"},"metadata":{"version":1},"ttl":0}}`

// framings are responses with bytes of a secret after their end, because their headers
// announce a shorter body.
var framings = map[string]string{
	"204 with a body":                   "HTTP/1.1 204 No Content\r\n\r\n" + leak,
	"204 with a length":                 "HTTP/1.1 204 No Content\r\n" + contentLength(len(leak)) + leak,
	"304 with a body":                   "HTTP/1.1 304 Not Modified\r\n\r\n" + leak,
	"200 with Content-Length 0":         "HTTP/1.1 200 OK\r\n" + contentLength(0) + leak,
	"400 with Content-Length 0":         "HTTP/1.1 400 Bad Request\r\n" + contentLength(0) + leak,
	"200 with a short length":           "HTTP/1.1 200 OK\r\n" + contentLength(len(leak)/2) + leak,
	"200 that is short by one byte":     "HTTP/1.1 200 OK\r\n" + contentLength(len(leak)-1) + leak,
	"200 with a length of 1":            "HTTP/1.1 200 OK\r\n" + contentLength(1) + leak,
	"400 with a short length":           "HTTP/1.1 400 Bad Request\r\n" + contentLength(20) + leak,
	"403 with a short length":           "HTTP/1.1 403 Forbidden\r\n" + contentLength(20) + leak,
	"404 with a short length":           "HTTP/1.1 404 Not Found\r\n" + contentLength(20) + leak,
	"429 with a short length":           "HTTP/1.1 429 Too Many Requests\r\n" + contentLength(20) + leak,
	"500 with a short length":           "HTTP/1.1 500 Internal Server Error\r\n" + contentLength(20) + leak,
	"307 with a short length":           "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n" + contentLength(20) + leak,
	"two responses":                     "HTTP/1.1 200 OK\r\n" + contentLength(2) + "{}HTTP/1.1 200 OK\r\n" + contentLength(len(leak)) + leak,
	"two whole responses":               strings.Repeat("HTTP/1.1 200 OK\r\n"+contentLength(len(leak))+leak, 2),
	"a short body after a space":        "HTTP/1.1 200 OK\r\n" + contentLength(len(leak)/2) + " " + leak,
	"a short body after a newline":      "HTTP/1.1 200 OK\r\n" + contentLength(len(leak)/2) + "\n" + leak,
	"a short body after a BOM":          "HTTP/1.1 200 OK\r\n" + contentLength(len(leak)/2) + "\ufeff" + leak,
	"a short body that is not JSON":     "HTTP/1.1 200 OK\r\n" + contentLength(5) + "value" + leak,
	"bytes after the last chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + leak,
	"bytes after the trailer":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n" + leak,
	"an informational response, a 204":  "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n" + leak,
	"a large body with a short length":  "HTTP/1.1 200 OK\r\n" + contentLength(32<<10) + strings.Repeat(leak, 1<<10),
	"a large body after Content-Length": "HTTP/1.1 200 OK\r\n" + contentLength(2) + "{}" + strings.Repeat(leak, 1<<10),
}

func contentLength(n int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", n) }

// A rawServer responds to each request with the same bytes and keeps the connection.
type rawServer struct {
	net.Listener
	raw string

	mu       sync.Mutex
	conns    []net.Conn
	requests []int // by connection
	serving  sync.WaitGroup
}

func startRaw(t *testing.T, raw string) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &rawServer{Listener: l, raw: raw}
	s.serving.Go(s.accept)
	t.Cleanup(func() {
		_ = l.Close()
		s.each(func(c net.Conn) { _ = c.Close() })
		s.serving.Wait()
	})
	return s
}

func (s *rawServer) accept() {
	for n := 0; ; n++ {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns, s.requests = append(s.conns, conn), append(s.requests, 0)
		s.mu.Unlock()
		s.serving.Go(func() { s.serve(conn, n) })
	}
}

func (s *rawServer) serve(conn net.Conn, n int) {
	defer func() { _ = conn.Close() }()
	for reader := bufio.NewReader(conn); ; {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		s.mu.Lock()
		s.requests[n]++
		s.mu.Unlock()
		_, _ = io.WriteString(conn, s.raw)
	}
}

func (s *rawServer) each(do func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		do(c)
	}
}

// counts returns the number of requests on each connection.
func (s *rawServer) counts() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.requests...)
}

// framed are the backends that must not let net/http's transport print such bytes.
var framed = map[string]func(t *testing.T, endpoint string) hush.Provider{
	"extension as the agent": func(_ *testing.T, endpoint string) hush.Provider {
		return openExtension(extension.DialectAgent)(endpoint, margin)
	},
	"extension as Lambda's": func(_ *testing.T, endpoint string) hush.Provider {
		return openExtension(extension.DialectLambda)(endpoint, margin)
	},
	"vault": func(t *testing.T, endpoint string) hush.Provider {
		t.Helper()
		client, err := vault.NewClient(&vault.ClientOptions{
			Addresses: []string{endpoint}, Token: hush.NewValue([]byte(token)), IgnoreEnvironment: true,
		})
		require.NoError(t, err)
		return vault.New(client, &vault.Options{KV: 2, Timeout: margin})
	},
	"vault by the official client": func(_ *testing.T, endpoint string) hush.Provider {
		client := apiClient(endpoint)
		client.SetToken(token)
		return vault.New(client, &vault.Options{KV: 2, Timeout: margin})
	},
}

// TestBytesAfterAResponseAreNotPrinted checks that no part of a response is printed,
// whatever its framing, and that a connection with bytes after a response is not reused.
func TestBytesAfterAResponseAreNotPrinted(t *testing.T) {
	logged := captureLog(t)
	for name, open := range framed {
		for framing, raw := range framings {
			t.Run(name+"/"+framing, func(t *testing.T) {
				s := startRaw(t, raw)
				p := open(t, "http://"+s.Addr().String())
				for range 2 {
					_, err := p.Get(t.Context(), hush.Name(shared))
					assertClean(t, err)
				}
				for _, n := range s.counts() {
					assert.Equal(t, 1, n, "requests on a connection with bytes after the response")
				}
			})
		}
	}
	assert.Empty(t, logged(), "the standard logger")
}

// TestBytesOnAnIdleConnectionCloseIt checks that bytes on an idle connection close it, and
// are not the response to the next request.
func TestBytesOnAnIdleConnectionCloseIt(t *testing.T) {
	logged := captureLog(t)
	const good = `{"SecretString":"right","data":{"data":{"value":"right"},"metadata":{"version":1},"ttl":0}}`
	for name, open := range framed {
		t.Run(name, func(t *testing.T) {
			s := startRaw(t, "HTTP/1.1 200 OK\r\n"+contentLength(len(good))+good)
			p := open(t, "http://"+s.Addr().String())
			for i := range 3 {
				secret, err := p.Get(t.Context(), hush.Name(shared))
				require.NoError(t, err)
				assert.NotContains(t, secret.Value.Reveal(), faultproxy.Canary)
				assert.Len(t, s.counts(), i+1)
				s.each(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+contentLength(len(leak))+leak) })
			}
		})
	}
	assert.Empty(t, logged(), "the standard logger")
}
