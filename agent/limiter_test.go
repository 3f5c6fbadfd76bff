package agent_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

// A slow client does not accept the status of its response before release.
type slow struct {
	*httptest.ResponseRecorder
	arrived chan<- struct{}
	release <-chan struct{}
}

func (s slow) WriteHeader(status int) {
	s.arrived <- struct{}{}
	<-s.release
	s.ResponseRecorder.WriteHeader(status)
}

func TestRequestsBeyondLimitAreRejected(t *testing.T) {
	h := agent.Handler(echo, token, &agent.Options{MaxRequests: 2})
	arrived, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	hold := func(target string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
		r.Header.Set("X-Vault-Token", token)
		w := slow{httptest.NewRecorder(), arrived, release}
		group.Go(func() {
			h.ServeHTTP(w, r)
			assert.Equal(t, http.StatusOK, w.Code, target)
		})
		<-arrived
	}
	check := func(target string, status int, headers ...string) {
		t.Helper()
		response, body := get(t, h, target, headers...)
		assert.Equal(t, status, response.StatusCode, target)
		if status == http.StatusTooManyRequests {
			assert.Equal(t, "Connection limit exceeded", body)
		}
	}

	hold("/v1/db")
	check("/v1/db", 200)
	hold("/v1/db")
	check("/v1/db", 429)
	check("/nowhere", 429, "X-Forwarded-For", "1", "X-Aws-Parameters-Secrets-Token", "wrong")
	for range 100 { // a rejected request does not count
		check("/v1/db", 429)
	}
	for range 3 { // neither does /ping
		hold("/ping")
		check("/ping", 200)
	}
	close(release)
	group.Wait()
	check("/v1/db", 200)
}

// TestUnauthenticatedRequestsDoNotCountForLimit has more such requests in flight than the limit.
func TestUnauthenticatedRequestsDoNotCountForLimit(t *testing.T) {
	h := agent.Handler(echo, token, &agent.Options{MaxRequests: 1})
	arrived, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	for range 3 {
		w := slow{httptest.NewRecorder(), arrived, release}
		group.Go(func() { h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/db", nil)) })
		<-arrived
		response, _ := get(t, h, "/v1/db")
		assert.Equal(t, http.StatusOK, response.StatusCode)
	}
	close(release)
	group.Wait()
}

func TestNegativeLimitMeansNoLimit(t *testing.T) {
	const many = 900
	var inside sync.WaitGroup
	inside.Add(many)
	p := hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
		inside.Done()
		inside.Wait() // for all of them
		return hush.Secret{}, nil
	})
	h := agent.Handler(p, token, &agent.Options{MaxRequests: -1})
	var group sync.WaitGroup
	for range many {
		group.Go(func() {
			response, _ := get(t, h, "/v1/db")
			assert.Equal(t, 200, response.StatusCode)
		})
	}
	group.Wait()
}

func TestDefaultLimit(t *testing.T) {
	var inside sync.WaitGroup
	inside.Add(agent.DefaultMaxRequests)
	release := make(chan struct{})
	h := agent.Handler(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
		inside.Done()
		<-release
		return hush.Secret{}, nil
	}), token, nil)
	var group sync.WaitGroup
	for range 800 {
		group.Go(func() {
			response, _ := get(t, h, "/v1/db")
			assert.Equal(t, 200, response.StatusCode)
		})
	}
	inside.Wait()
	response, _ := get(t, h, "/v1/db")
	assert.Equal(t, 429, response.StatusCode)
	close(release)
	group.Wait()
}

// TestConnectionSurvivesRejection differs from AWS's agent, which responds with 429 to all
// further requests on the connection.
func TestConnectionSurvivesRejection(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	p := hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		if ref.Name == "slow" {
			entered <- struct{}{}
			<-release
		}
		return hush.Secret{}, nil
	})
	server := httptest.NewServer(agent.Handler(p, token, &agent.Options{MaxRequests: 1}))
	defer server.Close()
	first := make(chan int)
	go func() {
		status, err := fetch(t, http.MethodGet, server.URL+"/v1/slow")
		assert.NoError(t, err)
		first <- status
	}()
	<-entered

	kept := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer kept.CloseIdleConnections()
	get := func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/db", nil)
		require.NoError(t, err)
		r.Header.Set("X-Vault-Token", token)
		response, err := kept.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.False(t, response.Close, "the connection is kept")
		return response.StatusCode
	}
	assert.Equal(t, 429, get())
	close(release)
	assert.Equal(t, 200, <-first)
	// The limiter counts the other request until shortly after its response has arrived.
	assert.Eventually(t, func() bool { return get() == 200 }, 10*time.Second, 5*time.Millisecond)
}

func TestPrefix(t *testing.T) {
	for prefix, names := range map[string]map[string]string{
		"":      {"/v1/db/prod": "db/prod"},
		"/s/x/": {"/s/x/db": "db", "/s/x//db": "/db"},
		"/":     {"/db": "db", "/v1/db": "v1/db"},
		"/p-":   {"/p-db": "db"},
	} {
		h := agent.Handler(echo, token, &agent.Options{Prefix: prefix})
		for target, name := range names {
			_, body := get(t, h, target)
			assert.Contains(t, body, "name="+name+" version", "%q %s", prefix, target)
		}
		for target, want := range map[string]string{
			"/secretsmanager/get?secretId=db":    "name=db version",
			"/ping":                              "healthy",
			"/systemsmanager/parameters/get?n=x": "Parameter Store is not served",
		} {
			_, body := get(t, h, target)
			assert.Contains(t, body, want, "%q %s", prefix, target)
		}
	}
	h := agent.Handler(echo, token, &agent.Options{Prefix: "/s/"})
	for target, want := range map[string]string{"/v1/db": "Not found", "/s": "Not found", "/s/": "missing secret ID"} {
		_, body := get(t, h, target)
		assert.Equal(t, want, body, target)
	}
}
