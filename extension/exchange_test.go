package extension_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

const notReady = "not ready to serve traffic, please wait"

// good is the body of a 200.
var good = body(`"SecretString":"x"`)

func TestNotReadyIsAskedAgain(t *testing.T) {
	inLambda(t)
	var calls atomic.Int32
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) <= 3 {
			says(400, notReady)(w, r)
			return
		}
		says(200, good)(w, r)
	})
	_, err := open(t, extension.Options{Endpoint: endpoint, ReadyWait: time.Minute, Timeout: -1}).Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.EqualValues(t, 4, calls.Load())
}

func TestNotReadyForTooLong(t *testing.T) {
	inLambda(t)
	var calls atomic.Int32
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		says(400, notReady)(w, r)
	})
	_, err := open(t, extension.Options{Endpoint: endpoint}).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.ErrorContains(t, err, "not ready")
	assert.LessOrEqual(t, calls.Load(), int32(11), "it pauses before it asks again")

	calls.Store(0)
	_, err = open(t, extension.Options{Endpoint: endpoint, ReadyWait: -1}).Get(t.Context(), hush.Name("db"))
	assert.ErrorContains(t, err, "not ready")
	assert.EqualValues(t, 1, calls.Load(), "ReadyWait below zero asks once")
}

func TestNotReadyAndCallerLeaves(t *testing.T) {
	inLambda(t)
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int32
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 2 {
			cancel()
		}
		says(400, notReady)(w, r)
	})
	_, err := open(t, extension.Options{Endpoint: endpoint, ReadyWait: time.Hour, Timeout: -1}).Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "the last real answer's class")
	assert.ErrorIs(t, err, context.Canceled)
}

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

func TestAnswersAreBounded(t *testing.T) {
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
		assert.ErrorContains(t, err, "larger than 1 MiB", name)
		assert.Empty(t, providertest.Leaks(err, canary))
	}

	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Large", chunk+chunk)
		says(200, good)(w, r)
	})
	_, err := open(t, extension.Options{Endpoint: endpoint}).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "long headers")
	assert.Empty(t, providertest.Leaks(err, canary))
}

func TestThrottledConnectionIsClosed(t *testing.T) {
	inLambda(t)
	for _, text := range []string{"Connection limit exceeded", ""} {
		// Like the agent: a connection accepted over the limit stays so.
		var first string
		var mu sync.Mutex
		endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if first == "" {
				first = r.RemoteAddr
			}
			if r.RemoteAddr == first {
				says(429, text)(w, r)
				return
			}
			says(200, good)(w, r)
		})
		p := open(t, extension.Options{Endpoint: endpoint})
		_, err := p.Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrThrottled, hush.ClassOf(err))
		_, err = p.Get(t.Context(), hush.Name("db"))
		assert.NoError(t, err)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	inLambda(t)
	var addresses sync.Map
	for status, text := range map[int]string{200: good, 400: "an unexpected error occurred while executing request"} {
		endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
			addresses.Store(r.RemoteAddr, nil)
			says(status, text)(w, r)
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
	assert.ErrorContains(t, err, "nothing listens on 127.0.0.1:1: is the extension's layer attached?")

	outside(t)
	t.Setenv("AWS_TOKEN", sessionToken)
	_, err = open(t, extension.Options{Endpoint: "http://127.0.0.1:1"}).Get(t.Context(), hush.Name("db"))
	assert.ErrorContains(t, err, "nothing listens on 127.0.0.1:1")
	assert.NotContains(t, err.Error(), "layer")
}
