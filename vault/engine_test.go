package vault_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func preflights(s *vaulttest.Server) int {
	return s.Calls(vaulttest.Call{Operation: vaulttest.Preflight})
}

func TestEngineIsDiscoveredOnce(t *testing.T) {
	for range 5 { // the timing of the goroutines varies
		server := startVault(t)
		server.Put("secret", app, map[string]any{"n": 1})
		p := vault.New(server.Client(), nil)
		assert.Zero(t, server.Calls(vaulttest.Call{}), "New contacts nobody")
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				secret, err := p.Get(t.Context(), hush.Name(app))
				assert.NoError(t, err)
				assert.Equal(t, `{"n":1}`, secret.Value.Reveal())
			})
		}
		wg.Wait()
		assert.Equal(t, 1, preflights(server))
		assert.Equal(t, 64, server.Calls(vaulttest.Call{Operation: vaulttest.Read}))
		server.Close()
	}
}

func TestDiscoverySurvivesTheCallerThatStartedIt(t *testing.T) {
	server := startVault(t)
	server.Put("secret", app, map[string]any{"n": 1})
	p := vault.New(server.Client(), &vault.Options{Timeout: 20 * time.Second})
	release := server.Hang(vaulttest.Preflight)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := p.Get(ctx, hush.Name(app))
		assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
		assert.ErrorIs(t, err, context.Canceled)
	})
	require.Eventually(t, func() bool { return preflights(server) == 1 }, 10*time.Second, time.Millisecond)
	wg.Go(func() {
		_, err := p.Get(t.Context(), hush.Name(app))
		assert.NoError(t, err)
	})
	cancel()
	release()
	wg.Wait()
	assert.Equal(t, 1, preflights(server))
}

// A failed discovery is repeated by the next call.
func TestDiscoveryFails(t *testing.T) {
	for name, c := range map[string]struct {
		failure vaulttest.Failure
		class   hush.Class
		says    string
	}{
		"sealed":        {vaulttest.Failure{Status: 503}, hush.ErrUnavailable, "sealed"},
		"throttled":     {vaulttest.Failure{Status: 429}, hush.ErrThrottled, "too many requests"},
		"too old":       {vaulttest.Failure{Status: 404}, hush.ErrUnavailable, `does not report the engine at "secret" (status 404): set the KV version`},
		"bad request":   {vaulttest.Failure{Status: 400}, hush.ErrRefused, "rejects the request"},
		"garbage":       {vaulttest.Failure{Status: 200, Body: []byte("canary-kv")}, hush.ErrUnavailable, "the response is not valid"},
		"nothing":       {vaulttest.Failure{Status: 200, Body: []byte(`{"data":{"type":"kv"}}`)}, hush.ErrUnavailable, "the response is not valid"},
		"another mount": {vaulttest.Failure{Status: 200, Body: []byte(`{"data":{"type":"kv","path":"secretly/"}}`)}, hush.ErrUnavailable, "the response is not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			server := startVault(t)
			server.Put("secret", app, map[string]any{"n": 1})
			k := kv{vault.New(server.Client(), nil), server}
			c.failure.Operation, c.failure.Times, c.failure.Errors = vaulttest.Preflight, 1, []string{"canary-kv"}
			server.Fail(c.failure)
			k.requireFailure(t, hush.Name(app), c.class, c.says)
			assert.Zero(t, server.Calls(vaulttest.Call{Operation: vaulttest.Read}))
			k.requireGet(t, hush.Name(app))
			k.requireGet(t, hush.Name(app))
			assert.Equal(t, 2, preflights(server))
		})
	}
}

func TestDiscoveryIsDenied(t *testing.T) {
	server := startVault(t)
	server.Put("secret", app, map[string]any{"n": 1})
	server.DenyPath("sys/internal/ui/mounts/secret")
	client := server.Client()
	client.SetToken(server.Token(nil))
	kv{vault.New(client, nil), server}.requireFailure(t, hush.Name(app), hush.ErrDenied, "set the KV version")
	asked := preflights(server)
	kv{vault.New(client, &vault.Options{KV: 2}), server}.requireGet(t, hush.Name(app))
	assert.Equal(t, asked, preflights(server), "it is configured")

	server.DenyPath("secret/*")
	kv{vault.New(client, &vault.Options{KV: 2}), server}.requireFailure(t, hush.Name(app), hush.ErrDenied, "no policy of the token")
}

func TestMounts(t *testing.T) {
	for _, c := range []struct {
		engine       vaulttest.Engine
		mount, given string
		name, path   string // of the secret below the mount, and of the call
	}{
		{vaulttest.KV2, "secret", "", "db/app", "secret/data/db/app"},
		{vaulttest.KV1, "secret", "/secret/", "db/app", "secret/db/app"},
		{vaulttest.KV2, "team/a/kv", "team/a/kv", "db/app", "team/a/kv/data/db/app"},
		{vaulttest.KV2, "team/a/kv", "/team/a/kv/prod/eu/", "prod/eu/db/app", "team/a/kv/data/prod/eu/db/app"},
		{vaulttest.KV1, "team/a/kv", "team/a/kv/prod", "prod/db/app", "team/a/kv/prod/db/app"},
		{vaulttest.KV2, "a b%2f?", "a b%2f?", "db/app", "a b%2f?/data/db/app"},
	} {
		server := startVault(t)
		server.Mount(c.mount, c.engine)
		server.Put(c.mount, c.name, map[string]any{"n": 1})
		k := kv{vault.New(server.Client(), &vault.Options{Mount: c.given}), server}
		assert.Equal(t, `{"n":1}`, k.requireGet(t, hush.Name("db/app")).Value.Reveal())
		recent := server.RecentCalls()
		assert.Equal(t, c.path, recent[len(recent)-1].Path)
	}
}

func TestMountOfAnotherEngineIsRejected(t *testing.T) {
	server := startVault(t)
	server.Mount("database", vaulttest.Database)
	k := kv{vault.New(server.Client(), &vault.Options{Mount: "database"}), server}
	k.requireFailure(t, hush.Name("creds/app"), hush.ErrUnavailable, `"database" is not a KV engine: use a Reader`)
	missing := kv{vault.New(server.Client(), &vault.Options{Mount: "none"}), server}
	missing.requireFailure(t, hush.Name(app), hush.ErrDenied, "or the mount does not exist")
	told := kv{vault.New(server.Client(), &vault.Options{Mount: "none", KV: 2}), server}
	told.requireFailure(t, hush.Name(app), hush.ErrNotFound, "status 404")
}

// No request is sent.
func TestInvalidOptionsFailEachGet(t *testing.T) {
	server := startVault(t)
	for _, opts := range []vault.Options{
		{KV: 3},
		{KV: -1},
		{Mount: "/"},
		{Mount: "a//b"},
		{Mount: "//secret"},
		{Mount: "secret/../sys"},
		{Mount: "secret/."},
		{Mount: "a\nb"},
		{Mount: "sys"},
		{Mount: "/auth/"},
		{Mount: "Identity"},
		{Mount: "cubbyhole/x"},
		{Mount: "team/sys/internal"},
		{Mount: " sys"},
		{Mount: "ſys"},
	} {
		k := kv{vault.New(server.Client(), &opts), server}
		k.requireFailure(t, hush.Name(app), hush.ErrUnavailable, "")
		_, err := vault.NewReader(server.Client(), &vault.ReaderOptions{Mounts: []string{"ok", opts.Mount}}).Get(t.Context(), hush.Name("ok/x"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%q", opts.Mount)
	}
	assert.Zero(t, server.Calls(vaulttest.Call{}))
	assert.Panics(t, func() { vault.New(nil, nil) })
	assert.Panics(t, func() { vault.NewReader(nil, nil) })
}

func TestClientIsNotChanged(t *testing.T) {
	server := startVault(t)
	server.Put("secret", app, map[string]any{"n": 1})
	client := server.Client()
	headers, transport := client.Headers(), client.CloneConfig().HttpClient.Transport
	kv{vault.New(client, nil), server}.requireGet(t, hush.Name(app))
	assert.Equal(t, server.RootToken(), client.Token())
	assert.Equal(t, headers, client.Headers())
	assert.Same(t, transport.(*http.Transport), client.CloneConfig().HttpClient.Transport.(*http.Transport))
}

// The command "vault kv enable-versioning" turns KV v1 into KV v2 while the program
// runs.
func TestEngineIsDiscoveredAgainAfterAnUpgrade(t *testing.T) {
	server := startVault(t)
	server.Mount("kv", vaulttest.KV1)
	server.Put("kv", app, map[string]any{"x": 1})
	p := vault.New(server.Client(), &vault.Options{Mount: "kv"})
	_, err := p.Get(t.Context(), hush.Name(app))
	require.NoError(t, err)
	server.Mount("kv", vaulttest.KV2)
	server.Put("kv", app, map[string]any{"x": 2})
	secret, err := p.Get(t.Context(), hush.Name(app))
	require.NoError(t, err)
	assert.Equal(t, "1", secret.Version)
	assert.Equal(t, 2, server.Calls(vaulttest.Call{Operation: vaulttest.Preflight}))
}
