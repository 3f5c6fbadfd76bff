package faultproxy_test

import (
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/internal/test/faultproxy"
)

// unretried is direct with a client that does not retry.
var unretried = backend{"direct without retries", startSecretsManager, func(endpoint string, limit time.Duration) hush.Provider {
	return direct.New(sdk(endpoint, once), &direct.Options{Timeout: limit})
}}

func once(o *secretsmanager.Options) { o.RetryMaxAttempts = 1 }

// official is vault with the official client, without retries.
var official = backend{"vault by the official client", startVault, func(endpoint string, limit time.Duration) hush.Provider {
	return openVault(apiClient(endpoint), limit)
}}

func apiClient(endpoint string) *api.Client {
	client, err := api.NewClient(&api.Config{Address: endpoint, HttpClient: &http.Client{Transport: &http.Transport{}}})
	if err != nil {
		panic(err) // the address of a proxy is valid
	}
	return client
}

// TestDeadConnectionIsReplaced checks that a call on a connection that died during a freeze
// succeeds on a new connection.
func TestDeadConnectionIsReplaced(t *testing.T) {
	configureAWS(t)
	for _, b := range append(slices.Clip(backends), unretried, official) {
		t.Run(b.name, func(t *testing.T) {
			proxy := start(t, b.start(t))
			provider := b.open(proxy.URL(), margin)
			_, err := provider.Get(t.Context(), hush.Name(shared))
			require.NoError(t, err)
			require.Equal(t, 1, proxy.Counts().Accepted)
			proxy.Set(faultproxy.DeadKept)
			for thaw := 1; thaw <= 3; thaw++ {
				secret, err := provider.Get(t.Context(), hush.Name(shared))
				require.NoError(t, err)
				assert.Equal(t, value, secret.Value.Reveal())
				counts := proxy.Counts()
				assert.Equal(t, thaw, counts.Failed, "requests on a dead connection")
				assert.Equal(t, 1+thaw, counts.Accepted, "new connections")
			}
		})
	}
}

// TestRevokedTokenIsReplacedOverDeadConnections checks that the provider logs in again after
// a freeze, although each connection has died and a login is not idempotent.
func TestRevokedTokenIsReplacedOverDeadConnections(t *testing.T) {
	server := vaultServer(t)
	proxy := start(t, server.Addr())
	provider := official.open(proxy.URL(), margin)
	for range 3 {
		_, err := provider.Get(t.Context(), hush.Name(shared))
		require.NoError(t, err)
		proxy.Set(faultproxy.DeadKept)
		require.Equal(t, 1, server.RevokeLogins())
	}
	assert.Greater(t, proxy.Counts().Failed, 5)
	assert.Equal(t, 3, server.Counts().Logins)
}

// TestManyDeadConnectionsAreReplaced checks that a client without retries survives the death
// of several idle connections.
func TestManyDeadConnectionsAreReplaced(t *testing.T) {
	const connections = 5
	server := secretsManager(t)
	proxy := start(t, strings.TrimPrefix(server.URL(), "http://"))
	provider := unretried.open(proxy.URL(), margin)
	restore := server.Hang()
	var group, sent sync.WaitGroup
	sent.Add(connections)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { sent.Done() },
	})
	for range connections {
		group.Go(func() {
			_, err := provider.Get(ctx, hush.Name(shared))
			assert.NoError(t, err)
		})
	}
	sent.Wait() // otherwise the SDK would not keep all connections
	restore()
	group.Wait()
	require.Equal(t, connections, proxy.Counts().Open)

	proxy.Set(faultproxy.DeadKept)
	_, err := provider.Get(t.Context(), hush.Name(shared))
	require.NoError(t, err)
	want := faultproxy.Counts{Accepted: connections + 1, Open: 1, Failed: connections}
	assert.Eventually(t, func() bool { return proxy.Counts() == want }, margin, time.Millisecond, "%+v", proxy.Counts())
}

// TestEndlessResponsesAreLimited checks that a provider stops reading an endless response at
// its limit, before the time limit of the call.
func TestEndlessResponsesAreLimited(t *testing.T) {
	configureAWS(t)
	for _, b := range append(slices.Clip(backends), unretried, official) {
		if b.name == "direct" {
			continue // after a 500 the SDK waits for seconds
		}
		proxy := start(t, b.start(t))
		provider := b.open(proxy.URL(), margin)
		for _, f := range []faultproxy.Fault{faultproxy.HugeBody, faultproxy.HugeChunks, faultproxy.HugeRefusal} {
			proxy.Set(f)
			_, err := provider.Get(t.Context(), hush.Name(shared))
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
			assert.ErrorContains(t, err, " MiB", "%s: %s", b.name, f)
			assertClean(t, err)
		}
	}
}
