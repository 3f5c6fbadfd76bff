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

func start(t testing.TB, opts *vaulttest.Options) *vaulttest.Server {
	t.Helper()
	server, err := vaulttest.Start(opts)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server
}

// as returns a client with that token, empty being none.
func as(t testing.TB, server *vaulttest.Server, token string) *api.Client {
	t.Helper()
	client := server.Client()
	client.SetToken(token)
	t.Cleanup(client.CloneConfig().HttpClient.CloseIdleConnections)
	return client
}

// answered checks that err is an answer with that status, whose errors begin with
// those.
func answered(t testing.TB, err error, status int, said ...string) {
	t.Helper()
	answer, ok := errors.AsType[*api.ResponseError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, status, answer.StatusCode, answer.Errors)
	if len(said) > 0 {
		assert.Equal(t, said, answer.Errors)
	}
}

// raw makes a call without the client, and returns its status and body.
func raw(t testing.TB, server *vaulttest.Server, method, path, token, body string) (*http.Response, string) {
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
	denied  = "1 error occurred:\n\t* permission denied\n\n"
	invalid = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
)

// hour is a clock that a test turns.
type hour struct {
	mu  sync.Mutex
	now time.Time
}

func newHour() *hour { return &hour{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (h *hour) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hour) turn(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func TestKV2(t *testing.T) {
	clock := newHour()
	server := start(t, &vaulttest.Options{Now: clock.Now})
	kv := as(t, server, server.RootToken()).KVv2("secret")
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
	for _, number := range []int{0, -1} { // the last, to a real server too
		got, err = kv.GetVersion(t.Context(), "db/prod", number)
		require.NoError(t, err)
		assert.Equal(t, 2, got.VersionMetadata.Version)
	}
	_, err = kv.GetVersion(t.Context(), "db/prod", 3)
	require.ErrorIs(t, err, api.ErrSecretNotFound)
	_, err = kv.Get(t.Context(), "never")
	require.ErrorIs(t, err, api.ErrSecretNotFound)
	server.Remove("secret", "db/prod")
	_, err = kv.Get(t.Context(), "db/prod")
	require.ErrorIs(t, err, api.ErrSecretNotFound)
}

func TestKV2Deleted(t *testing.T) {
	clock := newHour()
	server := start(t, &vaulttest.Options{Now: clock.Now})
	kv := as(t, server, server.RootToken()).KVv2("secret")
	server.Put("secret", "a", map[string]any{"n": 1})
	server.Put("secret", "a", map[string]any{"n": 2})
	get := func() *api.KVSecret {
		got, err := kv.Get(t.Context(), "a")
		require.NoError(t, err, "404 with metadata is no error to the client")
		return got
	}
	server.DeleteAt("secret", "a", clock.Now().Add(time.Hour))
	assert.NotNil(t, get().Data)
	assert.True(t, get().VersionMetadata.DeletionTime.Equal(clock.Now().Add(time.Hour)))
	clock.turn(time.Hour)
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
	resp, body := raw(t, server, "GET", "/v1/secret/data/a", server.RootToken(), "")
	assert.Equal(t, 404, resp.StatusCode)
	assert.Contains(t, body, `"data":{"data":null,"metadata":{"created_time":"2026-03-01T12:00:00Z","custom_metadata":null,"deletion_time":"","destroyed":true,"version":2}}`)
	got, err := kv.GetVersion(t.Context(), "a", 1)
	require.NoError(t, err)
	assert.Equal(t, json.Number("1"), got.Data["n"])
	assert.Panics(t, func() { server.Put("nomount", "a", nil) })
}

func TestKV1(t *testing.T) {
	server := start(t, nil)
	server.Mount("old/kv", vaulttest.KV1)
	server.Put("old/kv", "a/b", map[string]any{"u": "1"})
	server.Put("old/kv", "brief", map[string]any{"u": "1", "ttl": "30s"})
	client := as(t, server, server.RootToken())
	got, err := client.KVv1("old/kv").Get(t.Context(), "a/b")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"u": "1"}, got.Data)
	assert.Equal(t, 2764800, got.Raw.LeaseDuration)
	got, err = client.KVv1("old/kv").Get(t.Context(), "brief")
	require.NoError(t, err)
	assert.Equal(t, 30, got.Raw.LeaseDuration)
	_, err = client.KVv1("old/kv").Get(t.Context(), "none")
	require.ErrorIs(t, err, api.ErrSecretNotFound)
	restore := server.Deny("old/kv", "a/b")
	_, err = as(t, server, server.Token(nil)).KVv1("old/kv").Get(t.Context(), "a/b")
	answered(t, err, 403, denied)
	restore()
	server.Put("old/kv", "a/b", map[string]any{"u": "2"})
	got, err = client.KVv1("old/kv").Get(t.Context(), "a/b")
	require.NoError(t, err)
	assert.Equal(t, "2", got.Data["u"])
}

// TestNames has names as a real server has them.
func TestNames(t *testing.T) {
	server := start(t, nil)
	for _, name := range []string{"sp ce?#%&+=", "ü/ß", "..a", "a;b", "*"} {
		server.Put("secret", name, map[string]any{"name": name})
		got, err := as(t, server, server.RootToken()).KVv2("secret").Get(t.Context(), name)
		require.NoError(t, err, name)
		assert.Equal(t, name, got.Data["name"])
	}
	server.Put("secret", "d/e", map[string]any{"a": "b"})
	for path, want := range map[string]int{
		"/v1/secret/data/d%2Fe": 200, "/v1/secret/data/d//e": 307, "/v1/secret/data/x/../d/e": 307,
		"/v1/secret/data/%2e%2e/x": 404, "/v1/secret/data/a%0a": 400, "/v1/secret/data/d/e/": 404, "/v1/secret/d/e": 404,
		"/v1/secret": 404, "/v1/nomount/x": 404, "/v1/secret/data/d/e?version=x": 400, "/": 404, "/v2/x": 404, "/v1": 404,
	} {
		resp, body := raw(t, server, "GET", path, server.RootToken(), "")
		assert.Equal(t, want, resp.StatusCode, "%s: %s", path, body)
		assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		if want == 307 {
			assert.Equal(t, "/v1/secret/data/d/e", resp.Header.Get("Location"))
		}
	}
	resp, _ := raw(t, server, "DELETE", "/v1/secret/data/d/e", server.RootToken(), "")
	assert.Equal(t, 405, resp.StatusCode)
}

func TestPreflight(t *testing.T) {
	server := start(t, nil)
	server.Mount("old/kv", vaulttest.KV1)
	server.Mount("database", vaulttest.Database)
	client := as(t, server, server.Token(nil))
	for path, want := range map[string][]any{
		"secret": {"secret/", "kv", map[string]any{"version": "2"}}, "secret/a/b": {"secret/", "kv", map[string]any{"version": "2"}},
		"old/kv/x": {"old/kv/", "kv", map[string]any{"version": "1"}}, "database": {"database/", "database", map[string]any{}},
	} {
		got, err := client.Logical().ReadWithContext(t.Context(), "sys/internal/ui/mounts/"+path)
		require.NoError(t, err, path)
		assert.Equal(t, want, []any{got.Data["path"], got.Data["type"], got.Data["options"]})
	}
	ask := func(path string) error {
		_, err := client.Logical().ReadWithContext(t.Context(), "sys/internal/ui/mounts/"+path)
		return err
	}
	answered(t, ask("nomount"), 403, `preflight capability check returned 403, please ensure client's policies grant access to path "nomount/"`)
	restore := server.Deny("secret", "")
	answered(t, ask("secret"), 403)
	restore()
	require.NoError(t, ask("secret"))
	defer server.DenyPath("sys/internal/ui/mounts/secret")()
	answered(t, ask("secret"), 403)
	client.SetToken("hvs.wrong")
	answered(t, ask("secret"), 403, invalid)
	client.ClearToken()
	answered(t, ask("secret"), 403, "permission denied")
}

func TestNamespaces(t *testing.T) {
	server := start(t, nil)
	server.Mount("team/secret", vaulttest.KV2)
	server.Put("secret", "a", map[string]any{"of": "root"})
	server.Put("team/secret", "a", map[string]any{"of": "team"})
	of := func(client *api.Client) any {
		got, err := client.KVv2("secret").Get(t.Context(), "a")
		require.NoError(t, err)
		return got.Data["of"]
	}
	client := as(t, server, server.Token(nil))
	assert.Equal(t, "root", of(client))
	assert.Equal(t, "team", of(client.WithNamespace("team/")))
	server.Mount("team", vaulttest.KV2) // the longest mount wins
	assert.Equal(t, "team", of(client.WithNamespace("team")))
	preflight, err := client.WithNamespace("team").Logical().ReadWithContext(t.Context(), "sys/internal/ui/mounts/secret")
	require.NoError(t, err)
	assert.Equal(t, "secret/", preflight.Data["path"])
	assert.Equal(t, 2, server.Calls(vaulttest.Call{Namespace: "team", Path: "secret/data/a"}))

	role, secret := server.AppRole("team/approle", "app", nil)
	inside := as(t, server, "").WithNamespace("team")
	login, err := inside.Logical().WriteWithContext(t.Context(), "auth/approle/login", map[string]any{"role_id": role, "secret_id": secret})
	require.NoError(t, err)
	inside.SetToken(login.Auth.ClientToken)
	assert.Equal(t, "team", of(inside))
	_, err = inside.WithNamespace("").KVv2("secret").Get(t.Context(), "a")
	answered(t, err, 403, denied)
}
