package vaulttest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

// startWithSecret returns a server with the secret "a", and a function that reads it.
func startWithSecret(t testing.TB) (*vaulttest.Server, func(context.Context) error) {
	t.Helper()
	server := startServer(t, nil)
	server.Put("secret", "a", map[string]any{"n": "1"})
	client := clientOf(t, server, server.RootToken())
	return server, func(ctx context.Context) error {
		_, err := client.KVv2("secret").Get(ctx, "a")
		return err
	}
}

func TestOldestMatchingFailureApplies(t *testing.T) {
	server, read := startWithSecret(t)
	server.Fail(vaulttest.Failure{Operation: vaulttest.Login, Status: 418})
	server.Fail(vaulttest.Failure{Path: "secret/data/b", Status: 418})
	server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Path: "secret/data/a", Times: 1, Status: 502, Errors: []string{"why"}})
	restore := server.Fail(vaulttest.Failure{})
	requireError(t, read(t.Context()), 502, "why")
	requireError(t, read(t.Context()), 500, "internal error")
	restore()
	require.NoError(t, read(t.Context()))
	assert.Equal(t, 3, server.Calls(vaulttest.Call{Operation: vaulttest.Read}), "Calls counts failed requests")
	_, err := logIn(t, server, "approle", nil)
	requireError(t, err, 418)
}

func TestFailureHeaderAndBody(t *testing.T) {
	server, read := startWithSecret(t)
	server.Fail(vaulttest.Failure{Status: 429, Header: http.Header{"Retry-After": {"3"}}, Times: 1})
	resp, _ := send(t, server, "GET", "/v1/secret/data/a", server.RootToken(), "")
	assert.Equal(t, 429, resp.StatusCode)
	assert.Equal(t, "3", resp.Header.Get("Retry-After"))
	server.Fail(vaulttest.Failure{Status: 200, Body: []byte("<html>"), Times: 1})
	require.ErrorContains(t, read(t.Context()), "invalid character")
	server.Fail(vaulttest.Failure{Status: 200, Body: []byte{}, Times: 1})
	require.Error(t, read(t.Context()))
	server.Fail(vaulttest.Failure{Status: 200, Body: bytes.Repeat([]byte(" "), 5<<20), Times: 1})
	resp, body := send(t, server, "GET", "/v1/secret/data/a", "", "")
	assert.Equal(t, 200, resp.StatusCode)
	assert.Len(t, body, 5<<20)
}

func TestFailureDropsConnection(t *testing.T) {
	server, read := startWithSecret(t)
	require.NoError(t, read(t.Context()))
	restore := server.Fail(vaulttest.Failure{Drop: true})
	require.ErrorContains(t, read(t.Context()), "EOF")
	restore()
	require.NoError(t, read(t.Context()))
	server.Fail(vaulttest.Failure{Drop: true, Times: 1})
	require.NoError(t, read(t.Context()), "net/http repeats a GET on a reused connection")
}

func TestSealUntilRestore(t *testing.T) {
	server, read := startWithSecret(t)
	health := func() int {
		resp, _ := send(t, server, "GET", "/v1/sys/health", "", "")
		return resp.StatusCode
	}
	assert.Equal(t, 200, health())
	restoreFirst, restoreSecond := server.Seal(), server.Seal()
	requireError(t, read(t.Context()), 503, "Vault is sealed")
	_, err := logIn(t, server, "approle", nil)
	requireError(t, err, 503, "Vault is sealed")
	assert.Equal(t, 503, health())
	restoreFirst()
	restoreFirst()
	requireError(t, read(t.Context()), 503, "Vault is sealed")
	restoreSecond()
	require.NoError(t, read(t.Context()))
	assert.Equal(t, 2, server.Calls(vaulttest.Call{Operation: vaulttest.Health}))
	assert.Equal(t, 1, server.Calls(vaulttest.Call{Operation: vaulttest.Login}))
}

func TestLatencyOfAnOperation(t *testing.T) {
	server, read := startWithSecret(t)
	server.Latency(vaulttest.Read, 50*time.Millisecond)
	start := time.Now()
	require.NoError(t, read(t.Context()))
	assert.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
	server.Latency(vaulttest.Read, 0)
	server.Latency(vaulttest.Login, time.Hour)
	require.NoError(t, read(t.Context()))
}

func TestHangUntilRestore(t *testing.T) {
	server, read := startWithSecret(t)
	defer server.Hang(vaulttest.Login)()
	restore := server.Hang("")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { assert.NoError(t, read(t.Context())) })
	wg.Go(func() { assert.ErrorIs(t, read(ctx), context.Canceled) })
	assert.Eventually(t, func() bool { return server.Calls(vaulttest.Call{}) == 2 }, 10*time.Second, time.Millisecond)
	cancel()
	restore()
	restore()
	wg.Wait()
}

func TestBreakUntilRestore(t *testing.T) {
	server, read := startWithSecret(t)
	require.NoError(t, read(t.Context()))
	restore := server.Break()
	require.Error(t, read(t.Context()), "the open connection is closed")
	require.ErrorIs(t, read(t.Context()), syscall.ECONNREFUSED)
	restore()
	require.NoError(t, read(t.Context()), "same port, same data")
}

func TestCloseEndsHangingRequests(t *testing.T) {
	server, read := startWithSecret(t)
	server.Hang("")
	var wg sync.WaitGroup
	wg.Go(func() { assert.Error(t, read(t.Context())) })
	assert.Eventually(t, func() bool { return server.Calls(vaulttest.Call{}) == 1 }, 10*time.Second, time.Millisecond)
	restore := server.Break()
	server.Close()
	server.Close()
	restore()
	wg.Wait()
	require.ErrorIs(t, read(t.Context()), syscall.ECONNREFUSED)
}

func TestClientIgnoresTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://192.0.2.1", "VAULT_AGENT_ADDR": "http://192.0.2.1", "VAULT_TOKEN": "hvs.other", "VAULT_NAMESPACE": "other",
		"VAULT_HEADERS": `{"A":"b"}`, "VAULT_PROXY_ADDR": "http://192.0.2.1", "HTTP_PROXY": "http://192.0.2.1", "VAULT_MAX_RETRIES": "9",
	} {
		t.Setenv(name, value)
	}
	server, read := startWithSecret(t)
	require.NoError(t, read(t.Context()))
	assert.Equal(t, []vaulttest.Call{{
		Operation: vaulttest.Read, Method: "GET", Path: "secret/data/a", Token: vaulttest.Fingerprint(server.RootToken()),
	}}, server.RecentCalls())
	assert.Empty(t, server.Client().Headers().Get("A"))
	server.Fail(vaulttest.Failure{Times: 1})
	require.Error(t, read(t.Context()), "no retry")
	t.Setenv("VAULT_MAX_RETRIES", "x")
	assert.Panics(t, func() { server.Client() })
}

func TestCallsAndRecentCalls(t *testing.T) {
	server, read := startWithSecret(t)
	for range 1030 {
		send(t, server, "GET", "/v1/sys/health", "", "")
	}
	require.NoError(t, read(t.Context()))
	assert.Equal(t, 1031, server.Calls(vaulttest.Call{}))
	assert.Equal(t, 1, server.Calls(vaulttest.Call{Method: "GET", Operation: vaulttest.Read}))
	recent := server.RecentCalls()
	require.Len(t, recent, 1024)
	assert.Equal(t, vaulttest.Read, recent[1023].Operation)
	assert.Equal(t, vaulttest.Health, recent[0].Operation)
	assert.NotContains(t, fmt.Sprintf("%+v", recent[1023]), server.RootToken()[:8])
	assert.Empty(t, vaulttest.Fingerprint(""))
	resp, _ := send(t, server, "GET", "/v1/sys/mounts", server.RootToken(), "")
	assert.Equal(t, 404, resp.StatusCode)
	assert.Equal(t, 1, server.Calls(vaulttest.Call{Operation: vaulttest.Other}))
}
