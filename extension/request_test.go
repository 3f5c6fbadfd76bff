package extension_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

// good is a valid body of a 200.
var good = body(`"SecretString":"x"`)

func TestRedirectIsNotFollowed(t *testing.T) {
	inLambda(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
		endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, status) })
		_, err := open(t, extension.Options{Endpoint: endpoint}).Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.ErrorContains(t, err, "a redirect, which is not followed")
	}
}

func TestResponseSizeLimit(t *testing.T) {
	inLambda(t)
	chunk := strings.Repeat(canary, 1<<12)
	for name, h := range map[string]http.HandlerFunc{
		"a long body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1048577")
			_, _ = io.WriteString(w, chunk)
		},
		"an endless body": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		},
	} {
		_, err := open(t, extension.Options{Endpoint: serve(t, h), Timeout: -1}).Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), name)
		assert.ErrorContains(t, err, "exceeds the limit of 1 MiB", name)
		assert.Empty(t, providertest.Leaks(err, canary))
	}

	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Large", chunk+chunk)
		respondWith(200, good)(w, r)
	})
	_, err := open(t, extension.Options{Endpoint: endpoint}).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "long headers")
	assert.Empty(t, providertest.Leaks(err, canary))
}

func TestThrottledConnectionIsClosed(t *testing.T) {
	inLambda(t)
	for _, text := range []string{"Connection limit exceeded", ""} {
		// As the agent does: a connection over the limit fails until it is closed.
		var first string
		var mu sync.Mutex
		endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if first == "" {
				first = r.RemoteAddr
			}
			if r.RemoteAddr == first {
				respondWith(429, text)(w, r)
				return
			}
			respondWith(200, good)(w, r)
		})
		p := open(t, extension.Options{Endpoint: endpoint})
		_, err := p.Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrThrottled, hush.ClassOf(err))
		_, err = p.Get(t.Context(), hush.Name("db"))
		assert.NoError(t, err)
	}
}

// TestFewIdleConnections matters because the agent counts idle connections of all programs.
func TestFewIdleConnections(t *testing.T) {
	t.Parallel() // the test waits for 5 s
	const burst = 20
	var together sync.WaitGroup
	together.Add(burst)
	var live atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		together.Done()
		together.Wait()
		respondWith(200, good)(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			live.Add(1)
		case http.StateClosed:
			live.Add(-1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	p := open(t, extension.Options{
		Endpoint: server.URL, Dialect: extension.DialectLambda,
		Token: func(context.Context) (string, error) { return sessionToken, nil },
	})
	var reads sync.WaitGroup
	for range burst {
		reads.Go(func() {
			_, err := p.Get(t.Context(), hush.Name("db"))
			assert.NoError(t, err)
		})
	}
	reads.Wait()
	for _, left := range []int32{4, 0} {
		assert.Eventually(t, func() bool { return live.Load() <= left }, time.Minute, 10*time.Millisecond, "%d connections are open", left)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	inLambda(t)
	var addresses sync.Map
	for status, text := range map[int]string{200: good, 400: "an unexpected error occurred while executing request"} {
		endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
			addresses.Store(r.RemoteAddr, nil)
			respondWith(status, text)(w, r)
		})
		p := open(t, extension.Options{Endpoint: endpoint})
		addresses.Clear()
		for range 10 {
			_, _ = p.Get(t.Context(), hush.Name("db"))
		}
		n := 0
		addresses.Range(func(any, any) bool { n++; return true })
		assert.Equal(t, 1, n, "status %d", status)
	}
}

func TestNothingListens(t *testing.T) {
	inLambda(t)
	_, err := open(t, extension.Options{Endpoint: "http://127.0.0.1:1"}).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.ErrorContains(t, err, "nothing listens on 127.0.0.1:1; attach the extension's layer")

	outside(t)
	t.Setenv("AWS_TOKEN", sessionToken)
	_, err = open(t, extension.Options{Endpoint: "http://127.0.0.1:1"}).Get(t.Context(), hush.Name("db"))
	assert.ErrorContains(t, err, "nothing listens on 127.0.0.1:1; start the agent")
	assert.NotContains(t, err.Error(), "layer")
}
