package http1_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/clock/clocktest"
	"github.com/hush-secrets/hush/internal/http1"
)

// TestDeadConnection uses a server that drops a connection at its second request.
func TestDeadConnection(t *testing.T) {
	var requests atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "x")
	})
	for _, c := range []struct {
		method   string
		key      bool
		body     io.Reader
		repeated bool
	}{
		{http.MethodGet, false, nil, true},
		{http.MethodHead, false, nil, true},
		{http.MethodPost, false, nil, false},
		{http.MethodPost, true, nil, true},
		{http.MethodPut, true, strings.NewReader("body"), true},
		{http.MethodGet, false, io.MultiReader(), false}, // cannot be read twice
	} {
		requests.Store(0)
		transport := open(t, http1.Options{})
		get(t, transport, s.URL)
		req := request(t.Context(), t, c.method, s.URL, c.body)
		if c.key {
			req.Header["Idempotency-Key"] = nil
		}
		if !c.repeated {
			fails(t, transport, req)
			assert.EqualValues(t, 2, requests.Load())
			continue
		}
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err, "%+v", c)
		assert.NoError(t, resp.Body.Close())
		assert.EqualValues(t, 3, requests.Load())
	}
}

// TestBrokenResponseIsNotRepeated sees no retry, because the server has processed the
// request.
func TestBrokenResponseIsNotRepeated(t *testing.T) {
	var requests atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 2 {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "x")
	})
	transport := open(t, http1.Options{})
	get(t, transport, s.URL)
	err := fails(t, transport, request(t.Context(), t, http.MethodGet, s.URL, nil))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.EqualValues(t, 2, requests.Load())
}

func TestIdleConnections(t *testing.T) {
	release := make(chan struct{})
	var waiting sync.WaitGroup
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			waiting.Done()
			<-release
		case "/close":
			w.Header().Set("Connection", "close")
		}
	})
	transport := open(t, http1.Options{MaxIdle: 2})
	waiting.Add(5)
	var clients sync.WaitGroup
	for range 5 {
		clients.Go(func() { get(t, transport, s.URL+"/wait") })
	}
	waiting.Wait()
	close(release)
	clients.Wait()
	live := func(want int) func() bool {
		return func() bool { _, n := s.conns(); return n == want }
	}
	assert.Eventually(t, live(2), margin, time.Millisecond, "MaxIdle")
	get(t, transport, s.URL+"/close")
	assert.Eventually(t, live(1), margin, time.Millisecond, "the server closes its connection")
	req := request(t.Context(), t, http.MethodGet, s.URL, nil)
	req.Close = true
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	assert.NoError(t, resp.Body.Close())
	assert.Eventually(t, live(0), margin, time.Millisecond, "the client closes its connection")
	get(t, transport, s.URL)
	transport.CloseIdleConnections()
	assert.Eventually(t, live(0), margin, time.Millisecond, "CloseIdleConnections")
}

// TestIdleTimeout sees connections closed without another request.
func TestIdleTimeout(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	transport := open(t, http1.Options{IdleTimeout: 20 * time.Millisecond})
	get(t, transport, s.URL)
	assert.Eventually(t, func() bool { _, live := s.conns(); return live == 0 }, margin, time.Millisecond)
}

// TestIdleTimeoutIsExact sees the idle time start at the end of the last request.
func TestIdleTimeoutIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int64
		start := time.Now()
		transport := http1.New(http1.Options{
			MaxHeader: 1 << 10, MaxBody: 1 << 10, MaxIdle: 1, IdleTimeout: 5 * time.Second,
			Dial: func(context.Context, *url.URL) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					requests := bufio.NewReader(theirs)
					for _, err := http.ReadRequest(requests); err == nil; _, err = http.ReadRequest(requests) {
						_, _ = io.WriteString(theirs, "HTTP/1.1 204 No Content\r\n\r\n")
					}
					ended.Store(int64(time.Since(start)))
				}()
				return ours, nil
			},
		})
		get(t, transport, "http://x/")
		time.Sleep(time.Second)
		get(t, transport, "http://x/")
		last := time.Since(start)
		time.Sleep(time.Minute)
		assert.Equal(t, 5*time.Second, time.Duration(ended.Load())-last)
	})
}

// TestIdleAcrossAFreeze sees either clock expire an idle connection.
func TestIdleAcrossAFreeze(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := clocktest.New()
	transport := open(t, http1.Options{Now: c.Now, IdleTimeout: time.Minute})
	for i, move := range []func(){
		func() { c.Move(time.Minute, 0) },
		func() { c.Move(-time.Hour, time.Minute) },
		func() {},
	} {
		get(t, transport, s.URL)
		get(t, transport, s.URL)
		all, _ := s.conns()
		assert.Equal(t, min(i+1, 3), all)
		move()
	}
}

// TestClosedByTheServer sees a new connection used instead of one that the server has
// closed.
func TestClosedByTheServer(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	transport := open(t, http1.Options{})
	get(t, transport, s.URL)
	s.CloseClientConnections()
	resp, err := transport.RoundTrip(request(t.Context(), t, http.MethodPost, s.URL, nil))
	require.NoError(t, err)
	assert.NoError(t, resp.Body.Close())
}

// A wrapped connection hides its socket, as the connections of SOCKS proxies and custom
// dialers do.
type wrapped struct{ net.Conn }

// TestBytesOnAnIdleConnection sends an unsolicited response on an idle connection. It must
// not become the response to the next request.
func TestBytesOnAnIdleConnection(t *testing.T) {
	next, sent := make(chan struct{}), make(chan struct{})
	handler := func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
		if _, ok := <-next; ok {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
			sent <- struct{}{}
		}
		_, _ = rw.ReadByte() // until the client closes the connection
	}
	plainServer, tlsServer := serve(t, handler), httptest.NewTLSServer(http.HandlerFunc(handler))
	t.Cleanup(tlsServer.Close)
	t.Cleanup(func() { close(next) })
	trust := tlsServer.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"
	for name, c := range map[string]struct {
		url  string
		wrap func(net.Conn) net.Conn
	}{
		"TCP":                    {plainServer.URL, func(c net.Conn) net.Conn { return c }},
		"TLS":                    {tlsServer.URL, func(c net.Conn) net.Conn { return tls.Client(c, trust) }},
		"wrapped TCP":            {plainServer.URL, func(c net.Conn) net.Conn { return wrapped{c} }},
		"TLS in wrapped TCP":     {tlsServer.URL, func(c net.Conn) net.Conn { return tls.Client(wrapped{c}, trust) }},
		"wrapped TLS":            {tlsServer.URL, func(c net.Conn) net.Conn { return wrapped{tls.Client(c, trust)} }},
		"a proxy in wrapped TCP": {plainServer.URL, func(c net.Conn) net.Conn { return &http1.Forwarding{Conn: wrapped{c}} }},
	} {
		transport := open(t, http1.Options{Dial: func(ctx context.Context, to *url.URL) (net.Conn, error) {
			conn, err := plain(ctx, to)
			if err != nil {
				return nil, err
			}
			return c.wrap(conn), nil
		}})
		for range 3 {
			_, body := get(t, transport, c.url)
			require.Equal(t, "first", body, name)
			next <- struct{}{}
			<-sent
		}
		transport.CloseIdleConnections()
	}
}

func TestWrappedConnectionIsReused(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	transport := open(t, http1.Options{Dial: func(ctx context.Context, to *url.URL) (net.Conn, error) {
		conn, err := plain(ctx, to)
		return wrapped{conn}, err
	}})
	for range 3 {
		get(t, transport, s.URL)
	}
	all, _ := s.conns()
	assert.Equal(t, 1, all)
	s.CloseClientConnections()
	resp, err := transport.RoundTrip(request(t.Context(), t, http.MethodPost, s.URL, nil))
	require.NoError(t, err, "a connection that the server has closed is not used")
	assert.NoError(t, resp.Body.Close())
}

// TestBodyThatCannotBeReadAgain sees the error of GetBody end the request.
func TestBodyThatCannotBeReadAgain(t *testing.T) {
	var requests atomic.Int32
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
	})
	transport := open(t, http1.Options{})
	get(t, transport, s.URL)
	req := request(t.Context(), t, http.MethodPut, s.URL, strings.NewReader("body"))
	req.Header["Idempotency-Key"] = nil
	req.GetBody = func() (io.ReadCloser, error) { return nil, io.ErrNoProgress }
	assert.ErrorIs(t, fails(t, transport, req), io.ErrNoProgress)
}
