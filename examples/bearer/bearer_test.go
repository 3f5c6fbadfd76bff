package bearer_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/examples/bearer"
	"github.com/hush-secrets/hush/providertest"
)

var ref = hush.Name("api/token")

// An api is a server that accepts one token.
type api struct {
	*httptest.Server
	mu    sync.Mutex
	token string
	seen  []string // headers and bodies
}

func newAPI(t *testing.T, token string) *api {
	t.Helper()
	a := &api{token: token}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	header := r.Header.Get("Authorization")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, header+"|"+string(body))
	if header != "Bearer "+a.token {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_, _ = io.WriteString(w, "answer")
}

func (a *api) rotate(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = token
}

// store returns a store with the token "one", and a cache in front of it.
func store(t *testing.T) (*providertest.Map, *cachettl.Cache) {
	t.Helper()
	var m providertest.Map
	m.Put(ref.Name, []byte("one"))
	cache := cachettl.New(&m, time.Hour, nil)
	t.Cleanup(func() { assert.NoError(t, cache.Close()) })
	return &m, cache
}

func send(t *testing.T, client *http.Client, url string, body io.Reader) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	require.NoError(t, err)
	response, err := client.Do(request)
	if err == nil {
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		assert.Equal(t, "answer", string(text))
		assert.NoError(t, response.Body.Close())
	}
	assert.Empty(t, request.Header, "the Transport does not change the request")
	return response, err
}

func TestRequestsSucceedThroughARotation(t *testing.T) {
	a := newAPI(t, "one")
	m, cache := store(t)
	client := &http.Client{Transport: bearer.New(cache, ref, a.URL, nil)}
	for range 2 {
		response, err := send(t, client, a.URL, strings.NewReader("body"))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, response.StatusCode)
	}
	assert.Len(t, m.Calls(), 1)

	m.Put(ref.Name, []byte("two"))
	a.rotate("two")
	for range 2 {
		response, err := send(t, client, a.URL, strings.NewReader("body"))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, response.StatusCode)
	}
	assert.Equal(t, []string{"Bearer one|body", "Bearer one|body", "Bearer one|body", "Bearer two|body", "Bearer two|body"}, a.seen)
	assert.Len(t, m.Calls(), 2)
}

func TestRoundTripReturnsThe401(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*providertest.Map)
		sent    []string
	}{
		"no other token": {func(*providertest.Map) {}, []string{"Bearer one|"}},
		"an outage": {func(m *providertest.Map) {
			m.Always(providertest.Step{Err: hush.ErrUnavailable})
		}, []string{"Bearer one|"}},
		"another invalid token": {func(m *providertest.Map) {
			m.Put(ref.Name, []byte("two"))
		}, []string{"Bearer one|", "Bearer two|"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, "three")
			m, cache := store(t)
			_, err := cache.Get(t.Context(), ref)
			require.NoError(t, err)
			tc.prepare(m)
			response, err := send(t, &http.Client{Transport: bearer.New(cache, ref, a.URL, nil)}, a.URL, nil)
			require.NoError(t, err)
			assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
			assert.Equal(t, tc.sent, a.seen)
		})
	}
}

// onlyOnce hides the methods that net/http uses to read a body again.
type onlyOnce struct{ io.Reader }

func TestRoundTripDoesNotRepeatABodyThatCannotBeRead(t *testing.T) {
	a := newAPI(t, "two")
	m, cache := store(t)
	_, err := cache.Get(t.Context(), ref)
	require.NoError(t, err)
	m.Put(ref.Name, []byte("two"))
	client := &http.Client{Transport: bearer.New(cache, ref, a.URL, nil)}
	for _, want := range []int{http.StatusUnauthorized, http.StatusOK} {
		response, err := send(t, client, a.URL, onlyOnce{strings.NewReader("body")})
		require.NoError(t, err)
		assert.Equal(t, want, response.StatusCode)
	}
	assert.Equal(t, []string{"Bearer one|body", "Bearer two|body"}, a.seen)
}

func TestRoundTripSendsTheWholeBodyAgain(t *testing.T) {
	m, cache := store(t)
	var sent []string
	next := roundTripper(func(r *http.Request) (*http.Response, error) { // the transport of net/http would rewind the body itself
		body, _ := io.ReadAll(r.Body)
		sent = append(sent, r.Header.Get("Authorization")+"|"+string(body))
		m.Put(ref.Name, []byte("two"))
		return &http.Response{StatusCode: http.StatusUnauthorized, Body: io.NopCloser(strings.NewReader("answer"))}, r.Body.Close()
	})
	_, err := send(t, &http.Client{Transport: bearer.New(cache, ref, "https://api.example", next)}, "https://api.example/", strings.NewReader("body"))
	require.NoError(t, err)
	assert.Equal(t, []string{"Bearer one|body", "Bearer two|body"}, sent)
}

func TestARedirectHasNoToken(t *testing.T) {
	elsewhere := newAPI(t, "")
	origin := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer origin.Close()
	_, cache := store(t)
	client := &http.Client{Transport: bearer.New(cache, ref, origin.URL, nil)}
	for _, url := range []string{origin.URL, elsewhere.URL} {
		_, err := send(t, client, url, nil)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"|", "|"}, elsewhere.seen)
}

func TestOnlyTheOriginGetsTheToken(t *testing.T) {
	for url, want := range map[string]string{
		"https://api.example/v1?x=y":             "Bearer one",
		"https://user@api.example":               "Bearer one",
		"http://api.example/":                    "",
		"https://api.example:444/":               "",
		"https://api.example.test/":              "",
		"https://api.example@evil.test/":         "",
		"https://evil.test/https://api.example/": "",
	} {
		var got string
		next := roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r.Header.Get("Authorization")
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		})
		_, cache := store(t)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		_, err = bearer.New(cache, ref, "https://api.example", next).RoundTrip(request)
		require.NoError(t, err)
		assert.Equal(t, want, got, url)
	}
}

// A body records whether it was closed.
type body struct {
	io.Reader
	closed atomic.Bool
}

func (b *body) Close() error {
	b.closed.Store(true)
	return nil
}

func TestRoundTripSendsNothingWithoutAToken(t *testing.T) {
	a := newAPI(t, "one")
	unread := &body{Reader: strings.NewReader("body")}
	_, err := send(t, &http.Client{Transport: bearer.New(hush.Static(nil), ref, a.URL, nil)}, a.URL, unread)
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	assert.True(t, unread.closed.Load())
	assert.Empty(t, a.seen)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	require.NoError(t, err)
	_, err = bearer.New(hush.Static(nil), ref, a.URL, nil).RoundTrip(request)
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
}

func TestRoundTripReturnsTheErrorOfTheTransport(t *testing.T) {
	a := newAPI(t, "one")
	broken := errors.New("broken")
	next := roundTripper(func(*http.Request) (*http.Response, error) { return nil, broken })
	_, cache := store(t)
	_, err := send(t, &http.Client{Transport: bearer.New(cache, ref, a.URL, next)}, a.URL, nil)
	assert.ErrorIs(t, err, broken)

	// The error about a token that is not valid in a header does not quote it.
	hostile := hush.Static(map[string]string{ref.Name: "canary\r\nX-Admin: 1"})
	_, err = send(t, &http.Client{Transport: bearer.New(hostile, ref, a.URL, nil)}, a.URL, nil)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "canary")
	assert.Empty(t, a.seen)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
