package vaulttest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startServer(t testing.TB, opts *vaulttest.Options) *vaulttest.Server {
	t.Helper()
	server, err := vaulttest.Start(opts)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server
}

// clientOf returns a client with token. An empty token means none.
func clientOf(t testing.TB, server *vaulttest.Server, token string) *api.Client {
	t.Helper()
	client := server.Client()
	client.SetToken(token)
	t.Cleanup(client.CloneConfig().HttpClient.CloseIdleConnections)
	return client
}

// requireError requires that err is an error response with status and, if given, messages.
func requireError(t testing.TB, err error, status int, messages ...string) {
	t.Helper()
	response, ok := errors.AsType[*api.ResponseError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, status, response.StatusCode, response.Errors)
	if len(messages) > 0 {
		assert.Equal(t, messages, response.Errors)
	}
}

// send sends a request without the official client, and returns the response and its body.
func send(t testing.TB, server *vaulttest.Server, method, path, token, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("X-Vault-Token", token)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { assert.NoError(t, resp.Body.Close()) }()
	read, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(read)
}

const (
	permissionDenied = "1 error occurred:\n\t* permission denied\n\n"
	invalidToken     = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
)

// clock is a manual clock.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestReadKV2Versions(t *testing.T) {
	clock := newClock()
	server := startServer(t, &vaulttest.Options{Now: clock.Now})
	kv := clientOf(t, server, server.RootToken()).KVv2("secret")
	assert.Equal(t, 1, server.Put("secret", "db/prod", map[string]any{"password": "old"}))
	assert.Equal(t, 2, server.PutJSON("secret", "db/prod", `{"password":"hunter2","port":12345678901234567890}`))
	server.SetCustomMetadata("secret", "db/prod", map[string]string{"owner": "me"})

	got, err := kv.Get(t.Context(), "db/prod")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"password": "hunter2", "port": json.Number("12345678901234567890")}, got.Data)
	assert.Equal(t, 2, got.VersionMetadata.Version)
	assert.Equal(t, map[string]any{"owner": "me"}, got.CustomMetadata)
	assert.True(t, got.VersionMetadata.CreatedTime.Equal(clock.Now()))
	assert.True(t, got.VersionMetadata.DeletionTime.IsZero())

	got, err = kv.GetVersion(t.Context(), "db/prod", 1)
	require.NoError(t, err)
	assert.Equal(t, "old", got.Data["password"])
	for _, number := range []int{0, -1} { // a real server also returns the latest version
		got, err = kv.GetVersion(t.Context(), "db/prod", number)
		require.NoError(t, err)
		assert.Equal(t, 2, got.VersionMetadata.Version)
	}
	_, err = kv.GetVersion(t.Context(), "db/prod", 3)
	require.ErrorIs(t, err, api.ErrSecretNotFound)
	_, err = kv.Get(t.Context(), "never")
	require.ErrorIs(t, err, api.ErrSecretNotFound)
}

func TestReadDeletedKV2Versions(t *testing.T) {
	clock := newClock()
	server := startServer(t, &vaulttest.Options{Now: clock.Now})
	kv := clientOf(t, server, server.RootToken()).KVv2("secret")
	server.Put("secret", "a", map[string]any{"n": 1})
	server.Put("secret", "a", map[string]any{"n": 2})
	get := func() *api.KVSecret {
		got, err := kv.Get(t.Context(), "a")
		require.NoError(t, err, "the client does not report a 404 with metadata as an error")
		return got
	}
	server.DeleteAt("secret", "a", clock.Now().Add(time.Hour))
	assert.NotNil(t, get().Data)
	assert.True(t, get().VersionMetadata.DeletionTime.Equal(clock.Now().Add(time.Hour)))
	clock.advance(time.Hour)
	assert.Nil(t, get().Data)
	assert.False(t, get().VersionMetadata.Destroyed)
	server.Undelete("secret", "a")
	assert.Equal(t, json.Number("2"), get().Data["n"])
	server.Delete("secret", "a")
	assert.Nil(t, get().Data)
	server.Destroy("secret", "a", 2, 3)
	server.Undelete("secret", "a")
	assert.Nil(t, get().Data)
	assert.True(t, get().VersionMetadata.Destroyed)
	resp, body := send(t, server, "GET", "/v1/secret/data/a", server.RootToken(), "")
	assert.Equal(t, 404, resp.StatusCode)
	assert.Contains(t, body, `"data":{"data":null,"metadata":{"created_time":"2026-03-01T12:00:00Z","custom_metadata":null,"deletion_time":"","destroyed":true,"version":2}}`)
	got, err := kv.GetVersion(t.Context(), "a", 1)
	require.NoError(t, err)
	assert.Equal(t, json.Number("1"), got.Data["n"])
	assert.Panics(t, func() { server.Put("nomount", "a", nil) })
}

func TestReadKV1(t *testing.T) {
	server := startServer(t, nil)
	server.Mount("legacy/kv", vaulttest.KV1)
	server.Put("legacy/kv", "a/b", map[string]any{"u": "1"})
	server.Put("legacy/kv", "short", map[string]any{"u": "1", "ttl": "30s"})
	client := clientOf(t, server, server.RootToken())
	got, err := client.KVv1("legacy/kv").Get(t.Context(), "a/b")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"u": "1"}, got.Data)
	assert.Equal(t, 2764800, got.Raw.LeaseDuration)
	got, err = client.KVv1("legacy/kv").Get(t.Context(), "short")
	require.NoError(t, err)
	assert.Equal(t, 30, got.Raw.LeaseDuration)
	_, err = client.KVv1("legacy/kv").Get(t.Context(), "none")
	require.ErrorIs(t, err, api.ErrSecretNotFound)
	restore := server.Deny("legacy/kv", "a/b")
	_, err = clientOf(t, server, server.Token(nil)).KVv1("legacy/kv").Get(t.Context(), "a/b")
	requireError(t, err, 403, permissionDenied)
	restore()
	server.Put("legacy/kv", "a/b", map[string]any{"u": "2"})
	got, err = client.KVv1("legacy/kv").Get(t.Context(), "a/b")
	require.NoError(t, err)
	assert.Equal(t, "2", got.Data["u"])
}

// TestUnusualPaths expects the status codes of a real server.
func TestUnusualPaths(t *testing.T) {
	server := startServer(t, nil)
	for _, name := range []string{"sp ce?#%&+=", "ü/ß", "..a", "a;b", "*"} {
		server.Put("secret", name, map[string]any{"name": name})
		got, err := clientOf(t, server, server.RootToken()).KVv2("secret").Get(t.Context(), name)
		require.NoError(t, err, name)
		assert.Equal(t, name, got.Data["name"])
	}
	server.Put("secret", "d/e", map[string]any{"a": "b"})
	for path, want := range map[string]int{
		"/v1/secret/data/d%2Fe": 200, "/v1/secret/data/d//e": 307, "/v1/secret/data/x/../d/e": 307,
		"/v1/secret/data/%2e%2e/x": 404, "/v1/secret/data/a%0a": 400, "/v1/secret/data/d/e/": 404, "/v1/secret/d/e": 404,
		"/v1/secret": 404, "/v1/nomount/x": 404, "/v1/secret/data/d/e?version=x": 400, "/": 404, "/v2/x": 404, "/v1": 404,
	} {
		resp, body := send(t, server, "GET", path, server.RootToken(), "")
		assert.Equal(t, want, resp.StatusCode, "%s: %s", path, body)
		assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		if want == 307 {
			assert.Equal(t, "/v1/secret/data/d/e", resp.Header.Get("Location"))
		}
	}
	resp, _ := send(t, server, "DELETE", "/v1/secret/data/d/e", server.RootToken(), "")
	assert.Equal(t, 405, resp.StatusCode)
}

func TestPreflightDescribesTheMount(t *testing.T) {
	server := startServer(t, nil)
	server.Mount("legacy/kv", vaulttest.KV1)
	server.Mount("database", vaulttest.Database)
	client := clientOf(t, server, server.Token(nil))
	for path, want := range map[string][]any{
		"secret": {"secret/", "kv", map[string]any{"version": "2"}}, "secret/a/b": {"secret/", "kv", map[string]any{"version": "2"}},
		"legacy/kv/x": {"legacy/kv/", "kv", map[string]any{"version": "1"}}, "database": {"database/", "database", map[string]any{}},
	} {
		got, err := client.Logical().ReadWithContext(t.Context(), "sys/internal/ui/mounts/"+path)
		require.NoError(t, err, path)
		assert.Equal(t, want, []any{got.Data["path"], got.Data["type"], got.Data["options"]})
	}
	preflight := func(path string) error {
		_, err := client.Logical().ReadWithContext(t.Context(), "sys/internal/ui/mounts/"+path)
		return err
	}
	requireError(t, preflight("nomount"), 403, `preflight capability check returned 403, please ensure client's policies grant access to path "nomount/"`)
	restore := server.Deny("secret", "")
	requireError(t, preflight("secret"), 403)
	restore()
	require.NoError(t, preflight("secret"))
	defer server.DenyPath("sys/internal/ui/mounts/secret")()
	requireError(t, preflight("secret"), 403)
	client.SetToken("hvs.wrong")
	requireError(t, preflight("secret"), 403, invalidToken)
	client.ClearToken()
	requireError(t, preflight("secret"), 403, "permission denied")
}

func TestNamespacesHaveTheirOwnMounts(t *testing.T) {
	server := startServer(t, nil)
	server.Mount("team/secret", vaulttest.KV2)
	server.Put("secret", "a", map[string]any{"of": "root"})
	server.Put("team/secret", "a", map[string]any{"of": "team"})
	readFrom := func(client *api.Client) any {
		got, err := client.KVv2("secret").Get(t.Context(), "a")
		require.NoError(t, err)
		return got.Data["of"]
	}
	client := clientOf(t, server, server.Token(nil))
	assert.Equal(t, "root", readFrom(client))
	assert.Equal(t, "team", readFrom(client.WithNamespace("team/")))
	server.Mount("team", vaulttest.KV2) // the longest mount wins
	assert.Equal(t, "team", readFrom(client.WithNamespace("team")))
	preflight, err := client.WithNamespace("team").Logical().ReadWithContext(t.Context(), "sys/internal/ui/mounts/secret")
	require.NoError(t, err)
	assert.Equal(t, "secret/", preflight.Data["path"])
	assert.Equal(t, 2, server.Calls(vaulttest.Call{Namespace: "team", Path: "secret/data/a"}))

	role, secret := server.AppRole("team/approle", "app", nil)
	teamClient := clientOf(t, server, "").WithNamespace("team")
	login, err := teamClient.Logical().WriteWithContext(t.Context(), "auth/approle/login", map[string]any{"role_id": role, "secret_id": secret})
	require.NoError(t, err)
	teamClient.SetToken(login.Auth.ClientToken)
	assert.Equal(t, "team", readFrom(teamClient))
	_, err = teamClient.WithNamespace("").KVv2("secret").Get(t.Context(), "a")
	requireError(t, err, 403, permissionDenied)
}
