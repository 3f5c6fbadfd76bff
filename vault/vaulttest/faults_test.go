package vaulttest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

// stocked returns a server with the secret "a" and what reads it.
func stocked(t testing.TB) (*vaulttest.Server, func(context.Context) error) {
	t.Helper()
	server := start(t, nil)
	server.Put("secret", "a", map[string]any{"n": "1"})
	client := as(t, server, server.RootToken())
	return server, func(ctx context.Context) error {
		_, err := client.KVv2("secret").Get(ctx, "a")
		return err
	}
}

func TestFail(t *testing.T) {
	server, read := stocked(t)
	server.Fail(vaulttest.Failure{Operation: vaulttest.Login, Status: 418})
	server.Fail(vaulttest.Failure{Path: "secret/data/b", Status: 418})
	server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Path: "secret/data/a", Times: 1, Status: 502, Errors: []string{"why"}})
	restore := server.Fail(vaulttest.Failure{})
	answered(t, read(t.Context()), 502, "why")
	answered(t, read(t.Context()), 500, "internal error")
	restore()
	require.NoError(t, read(t.Context()))
	assert.Equal(t, 3, server.Calls(vaulttest.Call{Operation: vaulttest.Read}), "calls that failed are calls")
	_, err := login(t, server, "approle", nil)
	answered(t, err, 418)

	server.Throttle(3*time.Second, 1)
	resp, body := raw(t, server, "GET", "/v1/secret/data/a", server.RootToken(), "")
	assert.Equal(t, 429, resp.StatusCode)
	assert.Equal(t, "3", resp.Header.Get("Retry-After"))
	assert.Contains(t, body, "rate limit quota exceeded")
	server.Throttle(0, 1)
	answered(t, read(t.Context()), 429)
	require.NoError(t, read(t.Context()))

	server.Answer(200, []byte("<html>"), 1)
	require.ErrorContains(t, read(t.Context()), "invalid character")
	server.Answer(200, nil, 1)
	require.Error(t, read(t.Context()))
	server.Answer(200, bytes.Repeat([]byte(" "), 5<<20), 1)
	resp, body = raw(t, server, "GET", "/v1/secret/data/a", "", "")
	assert.Equal(t, 200, resp.StatusCode)
	assert.Len(t, body, 5<<20)
	drop := server.Fail(vaulttest.Failure{Drop: true})
	require.ErrorContains(t, read(t.Context()), "EOF")
	drop()
	require.NoError(t, read(t.Context()))
	server.Fail(vaulttest.Failure{Drop: true, Times: 1})
	require.NoError(t, read(t.Context()), "a GET on a kept connection is net/http's to repeat")
}

func TestSeal(t *testing.T) {
	server, read := stocked(t)
	health := func() int {
		resp, _ := raw(t, server, "GET", "/v1/sys/health", "", "")
		return resp.StatusCode
	}
	assert.Equal(t, 200, health())
	server.Seal()
	answered(t, read(t.Context()), 503, "Vault is sealed")
	_, err := login(t, server, "approle", nil)
	answered(t, err, 503, "Vault is sealed")
	assert.Equal(t, 503, health())
	server.Unseal()
	require.NoError(t, read(t.Context()))
	defer server.Standby("http://127.0.0.1:1")()
	assert.Equal(t, 429, health())
	assert.Equal(t, 4, server.Calls(vaulttest.Call{Operation: vaulttest.Health})+server.Calls(vaulttest.Call{Operation: vaulttest.Login}))
}

func TestStandby(t *testing.T) {
	server, read := stocked(t)
	active := start(t, nil)
	restore := server.Standby(active.URL() + "/")
	resp, body := raw(t, server, "GET", "/v1/secret/data/a%2Fb?version=2", "x", "")
	assert.Equal(t, 307, resp.StatusCode)
	assert.Empty(t, body)
	assert.Equal(t, active.URL()+"/v1/secret/data/a%2Fb?version=2", resp.Header.Get("Location"))
	err := read(t.Context())
	answered(t, err, 403, invalid)
	assert.Equal(t, 1, active.Calls(vaulttest.Call{Token: vaulttest.Fingerprint(server.RootToken())}), "the client sends its token on")
	restore()
	require.NoError(t, read(t.Context()))
}

func TestLatencyAndHang(t *testing.T) {
	server, read := stocked(t)
	server.Latency(vaulttest.Read, 50*time.Millisecond)
	began := time.Now()
	require.NoError(t, read(t.Context()))
	assert.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)
	server.Latency(vaulttest.Read, 0)
	server.Latency(vaulttest.Login, time.Hour)
	require.NoError(t, read(t.Context()))

	defer server.Hang(vaulttest.Login)()
	restore := server.Hang("")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { assert.NoError(t, read(t.Context())) })
	wg.Go(func() { assert.ErrorIs(t, read(ctx), context.Canceled) })
	assert.Eventually(t, func() bool { return server.Calls(vaulttest.Call{}) == 4 }, 10*time.Second, time.Millisecond)
	cancel()
	restore()
	restore()
	wg.Wait()
}

func TestBreak(t *testing.T) {
	server, read := stocked(t)
	require.NoError(t, read(t.Context()))
	one, two := server.Break(), server.Break()
	require.Error(t, read(t.Context()), "the kept connection is closed")
	require.ErrorIs(t, read(t.Context()), syscall.ECONNREFUSED)
	one()
	one()
	require.ErrorIs(t, read(t.Context()), syscall.ECONNREFUSED, "still broken by the other")
	two()
	require.NoError(t, read(t.Context()), "on the same port, with all it knew")
}

// TestClose ends calls that hang, and stays closed.
func TestClose(t *testing.T) {
	server, read := stocked(t)
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

func TestTLS(t *testing.T) {
	for _, ask := range []bool{false, true} {
		server := start(t, &vaulttest.Options{TLS: true, ClientCert: ask})
		server.Put("secret", "a", map[string]any{"n": "1"})
		read := func(client *api.Client) error {
			defer client.CloneConfig().HttpClient.CloseIdleConnections()
			_, err := client.KVv2("secret").Get(t.Context(), "a")
			return err
		}
		require.NoError(t, read(server.Client()))
		require.NoError(t, read(over(t, server, &tls.Config{RootCAs: pool(t, server), Certificates: []tls.Certificate{pair(t, server)}})))
		err := read(over(t, server, &tls.Config{RootCAs: pool(t, server)}))
		assert.Equal(t, ask, err != nil, "without a client certificate: %v", err)
		require.ErrorContains(t, read(over(t, server, nil)), "certificate")
		server.Break()()
		require.NoError(t, read(server.Client()))
	}
	server := start(t, nil)
	cert, key := server.ClientCertificate()
	assert.Nil(t, cert)
	assert.Nil(t, key)
	assert.Nil(t, server.CA())
	assert.Nil(t, server.ClientTLS())
}

func over(t testing.TB, server *vaulttest.Server, config *tls.Config) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: server.URL(), HttpClient: &http.Client{Transport: &http.Transport{TLSClientConfig: config}}})
	require.NoError(t, err)
	client.SetToken(server.RootToken())
	return client
}

func pool(t testing.TB, server *vaulttest.Server) *x509.CertPool {
	t.Helper()
	made := x509.NewCertPool()
	require.True(t, made.AppendCertsFromPEM(server.CA()))
	return made
}

func pair(t testing.TB, server *vaulttest.Server) tls.Certificate {
	t.Helper()
	made, err := tls.X509KeyPair(server.ClientCertificate())
	require.NoError(t, err)
	return made
}

// TestClientIgnoresTheMachine would fail on the settings of whoever runs it.
func TestClientIgnoresTheMachine(t *testing.T) {
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://192.0.2.1", "VAULT_AGENT_ADDR": "http://192.0.2.1", "VAULT_TOKEN": "hvs.other", "VAULT_NAMESPACE": "other",
		"VAULT_HEADERS": `{"A":"b"}`, "VAULT_PROXY_ADDR": "http://192.0.2.1", "HTTP_PROXY": "http://192.0.2.1", "VAULT_MAX_RETRIES": "9",
	} {
		t.Setenv(name, value)
	}
	server, read := stocked(t)
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

func TestCalls(t *testing.T) {
	server, read := stocked(t)
	for range 1030 {
		raw(t, server, "GET", "/v1/sys/health", "", "")
	}
	require.NoError(t, read(t.Context()))
	assert.Equal(t, 1031, server.Calls(vaulttest.Call{}))
	assert.Equal(t, 1, server.Calls(vaulttest.Call{Method: "GET", Operation: vaulttest.Read}))
	last := server.RecentCalls()
	require.Len(t, last, 1024)
	assert.Equal(t, vaulttest.Read, last[1023].Operation)
	assert.Equal(t, vaulttest.Health, last[0].Operation)
	assert.NotContains(t, fmt.Sprintf("%+v", last[1023]), server.RootToken()[:8])
	assert.Empty(t, vaulttest.Fingerprint(""))
	resp, _ := raw(t, server, "GET", "/v1/sys/mounts", server.RootToken(), "")
	assert.Equal(t, 404, resp.StatusCode)
	assert.Equal(t, 1, server.Calls(vaulttest.Call{Operation: vaulttest.Other}))
}
