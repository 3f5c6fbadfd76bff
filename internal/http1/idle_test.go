package http1_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/http1"
)

// TestDeadConnection is about a server that drops a connection at its second request.
func TestDeadConnection(t *testing.T) {
	var requests atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "x")
	})
	for _, c := range []struct {
		method string
		key    bool
		body   io.Reader
		again  bool
	}{
		{http.MethodGet, false, nil, true},
		{http.MethodHead, false, nil, true},
		{http.MethodPost, false, nil, false},
		{http.MethodPost, true, nil, true},
		{http.MethodPut, true, strings.NewReader("body"), true},
		{http.MethodGet, false, io.MultiReader(), false}, // which cannot be read twice
	} {
		requests.Store(0)
		transport := open(t, http1.Options{})
		get(t, transport, s.URL)
		req := request(t.Context(), t, c.method, s.URL, c.body)
		if c.key {
			req.Header["Idempotency-Key"] = nil
		}
		if !c.again {
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

// TestBrokenResponseIsNotRepeated: the server has acted on a request whose response
// has begun.
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

func TestConnectionsToKeep(t *testing.T) {
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

// TestIdleTimeout: a program that sends no more requests holds no connection.
func TestIdleTimeout(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	transport := open(t, http1.Options{IdleTimeout: 20 * time.Millisecond})
	get(t, transport, s.URL)
	assert.Eventually(t, func() bool { _, live := s.conns(); return live == 0 }, margin, time.Millisecond)
}

// TestIdleAcrossAFreeze: either clock ends the life of an idle connection.
func TestIdleAcrossAFreeze(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	var wall, mono atomic.Int64
	now := func() clock.Instant { return clock.Instant{Wall: wall.Load(), Mono: mono.Load()} }
	transport := open(t, http1.Options{Now: now, IdleTimeout: time.Minute})
	for i, move := range []func(){
		func() { wall.Add(int64(time.Minute)) },
		func() { wall.Add(-int64(time.Hour)); mono.Add(int64(time.Minute)) },
		func() {},
	} {
		get(t, transport, s.URL)
		get(t, transport, s.URL)
		all, _ := s.conns()
		assert.Equal(t, min(i+1, 3), all)
		move()
	}
}

// TestClosedByTheServer: a connection that the server has closed is not used, so that
// no request needs a second attempt.
func TestClosedByTheServer(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	transport := open(t, http1.Options{})
	get(t, transport, s.URL)
	s.CloseClientConnections()
	resp, err := transport.RoundTrip(request(t.Context(), t, http.MethodPost, s.URL, nil))
	require.NoError(t, err)
	assert.NoError(t, resp.Body.Close())
}
