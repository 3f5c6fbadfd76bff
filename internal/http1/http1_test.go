package http1_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush/internal/http1"
	"github.com/hush-secrets/hush/internal/httpbody"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const margin = 20 * time.Second

// plain connects without TLS.
func plain(ctx context.Context, to *url.URL) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", to.Host)
}

// open returns a Transport with large limits.
func open(t *testing.T, opts http1.Options) *http1.Transport {
	t.Helper()
	defaults := http1.Options{Dial: plain, MaxHeader: 64 << 10, MaxBody: 1 << 20, MaxIdle: 2, IdleTimeout: time.Hour}
	if opts.Dial != nil {
		defaults.Dial = opts.Dial
	}
	if opts.MaxIdle != 0 {
		defaults.MaxIdle = opts.MaxIdle
	}
	if opts.IdleTimeout != 0 {
		defaults.IdleTimeout = opts.IdleTimeout
	}
	defaults.Now = opts.Now
	transport := http1.New(defaults)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// A server is an HTTP server that records its connections.
type server struct {
	*httptest.Server

	mu     sync.Mutex
	states map[net.Conn]http.ConnState
}

func serve(t *testing.T, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{Server: httptest.NewUnstartedServer(h), states: map[net.Conn]http.ConnState{}}
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.states[c] = state
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// conns returns the number of all connections and of the open ones.
func (s *server) conns() (all, live int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range s.states {
		if state != http.StateClosed && state != http.StateHijacked {
			live++
		}
	}
	return len(s.states), live
}

// raw returns a handler that sends the same bytes to each request of a connection.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }()
		for err == nil {
			_, _ = io.WriteString(conn, text)
			_, err = http.ReadRequest(rw.Reader)
		}
	}
}

func request(ctx context.Context, t *testing.T, method, to string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	require.NoError(t, err)
	return req
}

// get sends a request and returns the status and the body of its response.
func get(t *testing.T, transport *http1.Transport, to string) (status int, body string) {
	t.Helper()
	resp, err := transport.RoundTrip(request(t.Context(), t, http.MethodGet, to, nil))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, string(read), string(http1.Bytes(resp)))
	return resp.StatusCode, string(read)
}

func fails(t *testing.T, transport *http1.Transport, req *http.Request) error {
	t.Helper()
	resp, err := transport.RoundTrip(req)
	require.Error(t, err)
	assert.Nil(t, resp)
	if resp != nil {
		_ = resp.Body.Close()
	}
	return err
}

func TestRoundTrip(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		w.Header().Set("X-Method", r.Method)
		if r.URL.Path == "/chunks" {
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, r.Header.Get("X-In")+string(body))
	})
	transport := open(t, http1.Options{})
	for _, path := range []string{"/", "/chunks"} {
		req := request(t.Context(), t, http.MethodPost, s.URL+path, strings.NewReader(" body"))
		req.Header.Set("X-In", "header")
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err)
		assert.Equal(t, http.MethodPost, resp.Header.Get("X-Method"))
		assert.Equal(t, "header body", string(http1.Bytes(resp)))
		assert.NoError(t, resp.Body.Close())
	}
	resp, err := transport.RoundTrip(request(t.Context(), t, http.MethodHead, s.URL, nil))
	require.NoError(t, err)
	assert.Empty(t, http1.Bytes(resp))
	assert.NoError(t, resp.Body.Close())
	all, live := s.conns()
	assert.Equal(t, []int{1, 1}, []int{all, live}, "all over one connection")
}

// TestBytesAfterTLS sends bytes after a response in the TLS record of the response.
func TestBytesAfterTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(raw("HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n" + strings.Repeat("x", 8192) +
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"))
	s.StartTLS()
	t.Cleanup(s.Close)
	var dials atomic.Int32
	transport := open(t, http1.Options{Dial: func(ctx context.Context, to *url.URL) (net.Conn, error) {
		dials.Add(1)
		dialer := tls.Dialer{Config: s.Client().Transport.(*http.Transport).TLSClientConfig}
		return dialer.DialContext(ctx, "tcp", to.Host)
	}})
	for range 3 {
		_, body := get(t, transport, s.URL)
		assert.NotContains(t, body, "secret")
	}
	assert.EqualValues(t, 3, dials.Load())
}

func TestTLSConnectionIsReused(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	t.Cleanup(s.Close)
	var dials atomic.Int32
	transport := open(t, http1.Options{Dial: func(ctx context.Context, to *url.URL) (net.Conn, error) {
		dials.Add(1)
		dialer := tls.Dialer{Config: s.Client().Transport.(*http.Transport).TLSClientConfig}
		return dialer.DialContext(ctx, "tcp", to.Host)
	}})
	for range 5 {
		get(t, transport, s.URL)
	}
	assert.EqualValues(t, 1, dials.Load())
}

func TestContextEnds(t *testing.T) {
	arrived := make(chan struct{}, 1)
	hangs := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	transport := open(t, http1.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	require.ErrorIs(t, fails(t, transport, request(ctx, t, http.MethodGet, hangs.URL, nil)), context.Canceled)
	require.ErrorIs(t, fails(t, transport, request(ctx, t, http.MethodGet, hangs.URL, nil)), context.Canceled)
	all, _ := hangs.conns()
	assert.Equal(t, 1, all, "a context that has ended does not dial")
	assert.Eventually(t, func() bool { _, live := hangs.conns(); return live == 0 }, margin, time.Millisecond)
}

// TestContextEndsLater ends the context of a request during the next request.
func TestContextEndsLater(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	transport := open(t, http1.Options{})
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := transport.RoundTrip(request(ctx, t, http.MethodGet, s.URL, nil))
		require.NoError(t, err)
		cancel()
		assert.NoError(t, resp.Body.Close())
	}
	all, _ := s.conns()
	assert.Equal(t, 1, all)
}

func TestBounds(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	long := strings.Repeat("x", 64<<10)
	for name, text := range map[string]string{
		"a long header":                 ok + "X: " + long + "\r\n\r\n",
		"many headers":                  ok + strings.Repeat("X: y\r\n", 16<<10) + "\r\n",
		"many informational responses":  strings.Repeat("HTTP/1.1 100 Continue\r\nX: y\r\n\r\n", 16<<10) + ok + "\r\n",
		"a protocol switch":             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"a long body":                   ok + "Content-Length: 1048577\r\n\r\n" + strings.Repeat("x", 1<<20+1),
		"a long body without a length":  ok + "\r\n" + strings.Repeat("x", 1<<20+1),
		"a long body in chunks":         ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+long+"\r\n", 17),
		"a response that is not HTTP/1": "secret\r\n\r\n",
	} {
		s := serve(t, raw(text))
		err := fails(t, open(t, http1.Options{}), request(t.Context(), t, http.MethodGet, s.URL, nil))
		assert.Equal(t, strings.HasPrefix(name, "a long body"), errors.Is(err, httpbody.ErrTooLarge), "%s: %v", name, err)
		assert.Eventually(t, func() bool { _, live := s.conns(); return live == 0 }, margin, time.Millisecond, name)
	}
	s := serve(t, raw(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 8)+ok+"Content-Length: 1\r\n\r\nx"))
	_, body := get(t, open(t, http1.Options{}), s.URL)
	assert.Equal(t, "x", body)
}

func TestTrace(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	transport := open(t, http1.Options{})
	var seen []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn: func(hostPort string) { seen = append(seen, hostPort) },
		GotConn: func(info httptrace.GotConnInfo) {
			seen = append(seen, map[bool]string{false: "new", true: "reused"}[info.Reused])
		},
	})
	for range 2 {
		resp, err := transport.RoundTrip(request(ctx, t, http.MethodGet, s.URL, nil))
		require.NoError(t, err)
		assert.NoError(t, resp.Body.Close())
	}
	address := s.Listener.Addr().String()
	assert.Equal(t, []string{address, "new", address, "reused"}, seen)
}

// TestForwarding sends a request in the form for a proxy.
func TestForwarding(t *testing.T) {
	var lines atomic.Pointer[http.Request]
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { lines.Store(r) })
	transport := open(t, http1.Options{Dial: func(ctx context.Context, _ *url.URL) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Listener.Addr().String())
		return &http1.Forwarding{Conn: conn, Header: http.Header{"Proxy-Authorization": {"Basic x"}}}, err
	}})
	for range 2 {
		get(t, transport, "http://vault.internal:8200/v1/x")
		r := lines.Load()
		assert.Equal(t, "http://vault.internal:8200/v1/x", r.RequestURI)
		assert.Equal(t, "Basic x", r.Header.Get("Proxy-Authorization"))
	}
	all, _ := s.conns()
	assert.Equal(t, 1, all)
}
