package route

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/http1"
)

// officialClient returns a client as a user of the official package creates it.
func officialClient(t *testing.T, address string) *api.Client {
	t.Helper()
	cfg := api.DefaultConfig()
	require.NoError(t, cfg.Error)
	cfg.Address = address
	client, err := api.NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(cfg.HttpClient.CloseIdleConnections)
	return client
}

func guarded(t *testing.T, client *api.Client) *api.Client {
	t.Helper()
	g, err := Guard(client)
	require.NoError(t, err)
	return g
}

func serve(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s
}

func TestGuardKeepsHeadersAndNamespace(t *testing.T) {
	var got *http.Request
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r })
	client := officialClient(t, s.URL)
	client.SetToken("of the client")
	client.SetNamespace("team")
	client.AddHeader("X-Team", "a")
	t.Setenv(api.EnvVaultToken, "of the environment")
	t.Setenv(api.EnvVaultNamespace, "of the environment")
	t.Setenv(api.EnvVaultHeaders, `{"X-Env":"b"}`)
	t.Setenv(api.EnvVaultAgentAddr, "http://127.0.0.1:1")
	t.Setenv(api.EnvVaultWrapTTL, "1m")
	g := guarded(t, client)
	_, err := g.Logical().ReadWithContext(t.Context(), "secret/app")
	require.NoError(t, err)
	assert.Equal(t, "team", got.Header.Get(api.NamespaceHeaderName))
	assert.Equal(t, "a", got.Header.Get("X-Team"))
	for _, header := range []string{"X-Vault-Token", "X-Env", "X-Vault-Wrap-Ttl"} {
		assert.Empty(t, got.Header.Get(header), header)
	}
}

func TestGuardDoesNotChangeTheClient(t *testing.T) {
	client := officialClient(t, "http://127.0.0.1:8200")
	client.SetToken("t")
	before := client.CloneConfig()
	_ = guarded(t, client)
	after := client.CloneConfig()
	assert.Same(t, before.HttpClient.Transport, after.HttpClient.Transport)
	assert.Nil(t, after.CheckRetry)
	assert.Equal(t, "t", client.Token())
}

// The client's configuration still has the agent's address, which would come back in a
// copy.
func TestGuardUsesTheCurrentAddress(t *testing.T) {
	t.Setenv(api.EnvVaultAgentAddr, "http://127.0.0.1:1")
	client := officialClient(t, "http://127.0.0.1:2")
	require.Equal(t, "http://127.0.0.1:1", client.Address())
	require.NoError(t, client.SetAddress("http://127.0.0.1:3"))
	assert.Equal(t, "http://127.0.0.1:3", guarded(t, client).Address())
}

func TestGuardKeepsAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":{}}`) }))
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	_, err = guarded(t, officialClient(t, "unix://"+path)).Logical().ReadWithContext(t.Context(), "secret/app")
	assert.NoError(t, err)
}

func TestGuardRejectsInvalidClients(t *testing.T) {
	client := officialClient(t, "http://vault.internal")
	client.SetSRVLookup(true)
	_, err := Guard(client)
	assert.ErrorContains(t, err, "SRV")
	require.NoError(t, client.SetAddress("http://vault.internal:8200"))
	_, err = Guard(client)
	assert.NoError(t, err, "SRV records are not asked for with a port")

	require.NoError(t, client.SetAddress("ftp://hunter2"))
	_, err = Guard(client)
	assert.ErrorContains(t, err, "not a valid https or http URL")
	assert.NotContains(t, err.Error(), "hunter2")

	client = officialClient(t, "http://vault.internal")
	t.Setenv(api.EnvVaultMaxRetries, "hunter2")
	_, err = Guard(client)
	assert.ErrorContains(t, err, api.EnvVaultMaxRetries)
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestGuardSendsTheTokenOnlyToTheAddress(t *testing.T) {
	var strange atomic.Int32
	stranger := serve(t, func(http.ResponseWriter, *http.Request) { strange.Add(1) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, stranger.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	client := officialClient(t, s.URL)
	client.SetToken("t")
	g := guarded(t, client)
	g.SetToken("t")
	_, err := g.Logical().ReadWithContext(t.Context(), "secret/app")
	require.True(t, isRedirect(err))
	assert.Zero(t, strange.Load())
	_, err = client.Logical().ReadWithContext(t.Context(), "secret/app")
	require.NoError(t, err)
	assert.NotZero(t, strange.Load(), "the official client does not follow the redirect any more: the Router is not needed")
}

// A noisy is a logger that counts its lines.
type noisy struct{ lines atomic.Int32 }

func (n *noisy) Error(string, ...any) { n.lines.Add(1) }
func (n *noisy) Warn(string, ...any)  { n.lines.Add(1) }
func (n *noisy) Info(string, ...any)  { n.lines.Add(1) }
func (n *noisy) Debug(string, ...any) { n.lines.Add(1) }

func TestGuardDoesNotLog(t *testing.T) {
	client := officialClient(t, "http://127.0.0.1:1")
	client.SetMaxRetries(0)
	logger := &noisy{}
	client.SetLogger(logger)
	_, err := guarded(t, client).Logical().ReadWithContext(t.Context(), "secret/app")
	require.Error(t, err)
	assert.Zero(t, logger.lines.Load())
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The addresses that were not tried keep their order.
func TestDeadlineBlamesOnlyTheCurrentAddress(t *testing.T) {
	var asked []string
	r := &Router{
		origins: []Origin{{scheme: "http", host: "a"}, {scheme: "http", host: "b"}, {scheme: "http", host: "c"}},
		next: transportFunc(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.Host)
			<-r.Context().Done()
			return nil, r.Context().Err()
		}),
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		t.Cleanup(cancel)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://a/v1/x", nil)
		require.NoError(t, err)
		_, err = r.RoundTrip(request)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	assert.Equal(t, []string{"a", "b"}, asked)
}

// The caller would only see its own deadline.
func TestRetryAfterBeyondTheDeadlineIsNotAwaited(t *testing.T) {
	for _, after := range []string{"3600", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)} {
		var asked atomic.Int32
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		t.Cleanup(cancel)
		_, err := guarded(t, officialClient(t, s.URL)).Logical().ReadWithContext(ctx, "secret/app")
		require.Error(t, err)
		assert.NoError(t, ctx.Err())
		assert.Equal(t, int32(1), asked.Load())
	}
}

func TestStatusRecorder(t *testing.T) {
	var status atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch code := int(status.Load()); code {
		case 0:
			panic(http.ErrAbortHandler)
		case 1: // an incomplete body
			w.Header().Set("Content-Length", "100")
		case http.StatusTemporaryRedirect:
			http.Redirect(w, r, "http://127.0.0.1:1/", code)
		default:
			w.WriteHeader(code)
		}
	})
	g := guarded(t, officialClient(t, s.URL))
	g.SetMaxRetries(0)
	ctx, x := WithStatusRecorder(t.Context())
	for _, c := range []struct{ answer, want int }{{0, 0}, {1, 0}, {200, 200}, {503, 503}, {307, 503}, {0, 503}, {1, 503}, {403, 403}} {
		status.Store(int32(c.answer))
		_, _ = g.Logical().ReadWithContext(ctx, "secret/app")
		assert.Equal(t, c.want, x.Last(), "%+v", c)
	}
}

func TestBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":{}}`) })
	client := officialClient(t, s.URL)
	for _, timeout := range []time.Duration{0, time.Minute} { // with a timeout, net/http wraps the body
		cfg := guarded(t, client).CloneConfig()
		cfg.HttpClient.Timeout = timeout
		g, err := api.NewClient(cfg)
		require.NoError(t, err)
		response, err := g.Logical().ReadRawWithContext(t.Context(), "secret/app")
		require.NoError(t, err)
		ours := http1.IsRead(response.Response)
		assert.Equal(t, timeout == 0, ours)
		assert.Equal(t, `{"data":{}}`, string(Body(response.Response)))
	}
	plain := &http.Response{Body: io.NopCloser(strings.NewReader("x"))}
	assert.Equal(t, "x", string(Body(plain)))
}
