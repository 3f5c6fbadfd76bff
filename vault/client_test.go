package vault_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
)

const clientCanary = "hunter2"

func TestClientOptions(t *testing.T) {
	clearVaultVariables(t)
	client := newClient(t, &vault.ClientOptions{
		Addresses: []string{"https://a:8200", "b:8200"}, Namespace: "/team/", Token: hush.NewValue([]byte("t")),
	})
	assert.Equal(t, "https://a:8200", client.Address())
	assert.Equal(t, "team", client.Namespace())
	assert.Equal(t, "t", client.Token())
	assert.Equal(t, 1, client.MaxRetries())
	assert.Equal(t, time.Minute, client.ClientTimeout())
	assert.Nil(t, client.Limiter())
}

func TestNewClientReadsVariables(t *testing.T) {
	for variable, c := range map[string]struct {
		value, want string
		got         func(*api.Client) string
	}{
		"VAULT_ADDR":           {"http://127.0.0.1:1", "http://127.0.0.1:1", (*api.Client).Address},
		"VAULT_AGENT_ADDR":     {"http://127.0.0.1:2", "http://127.0.0.1:2", (*api.Client).Address},
		"VAULT_NAMESPACE":      {"team/", "team", (*api.Client).Namespace},
		"VAULT_TOKEN":          {"t", "t", (*api.Client).Token},
		"VAULT_MAX_RETRIES":    {"4", "4", func(c *api.Client) string { return string(rune('0' + c.MaxRetries())) }},
		"VAULT_CLIENT_TIMEOUT": {"7", "7s", func(c *api.Client) string { return c.ClientTimeout().String() }},
		"VAULT_RATE_LIMIT":     {"5:2", "2", func(c *api.Client) string { return string(rune('0' + c.Limiter().Burst())) }},
		"VAULT_HEADERS":        {`{"X-Team":"a"}`, "a", func(c *api.Client) string { return c.Headers().Get("X-Team") }},
	} {
		t.Run(variable, func(t *testing.T) {
			clearVaultVariables(t)
			t.Setenv("VAULT_ADDR", "http://127.0.0.1:3")
			t.Setenv(variable, c.value)
			assert.Equal(t, c.want, c.got(newClient(t, nil)), variable)
		})
	}
}

func TestIgnoreEnvironment(t *testing.T) {
	clearVaultVariables(t)
	want := newClient(t, &vault.ClientOptions{Addresses: []string{"http://127.0.0.1:1"}})
	for variable, value := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:2", "VAULT_AGENT_ADDR": "http://127.0.0.1:3", "VAULT_NAMESPACE": "n", "VAULT_TOKEN": "t",
		"VAULT_MAX_RETRIES": "9", "VAULT_CLIENT_TIMEOUT": "9s", "VAULT_RATE_LIMIT": "9", "VAULT_HEADERS": `{"X-Team":"a"}`,
		"VAULT_SKIP_VERIFY": "true", "VAULT_SRV_LOOKUP": "true", "VAULT_TLS_SERVER_NAME": "n", "VAULT_WRAP_TTL": "1m",
		"VAULT_PROXY_ADDR": "http://127.0.0.1:4", "VAULT_DISABLE_REDIRECTS": "true",
	} {
		t.Setenv(variable, value)
	}
	got := newClient(t, &vault.ClientOptions{Addresses: []string{"http://127.0.0.1:1"}, IgnoreEnvironment: true})
	assert.Equal(t, want.Address(), got.Address())
	assert.Equal(t, want.Headers(), got.Headers())
	assert.Equal(t, want.MaxRetries(), got.MaxRetries())
	assert.Equal(t, want.ClientTimeout(), got.ClientTimeout())
	assert.False(t, got.SRVLookup())
	assert.Empty(t, got.Token())
	assert.Nil(t, got.Limiter())
	assert.Empty(t, got.NewRequest(http.MethodGet, "/v1/secret/app").WrapTTL)

	t.Setenv("VAULT_MAX_RETRIES", clientCanary) // the official client reads it in any case
	_, err := vault.NewClient(&vault.ClientOptions{Addresses: []string{"a:1"}, IgnoreEnvironment: true})
	require.ErrorContains(t, err, "VAULT_MAX_RETRIES")
	assert.NotContains(t, err.Error(), clientCanary)

	_, err = vault.NewClient(&vault.ClientOptions{IgnoreEnvironment: true})
	assert.ErrorIs(t, err, hush.ErrAbsent)
}

func TestNewClientWithoutAddressIsAbsent(t *testing.T) {
	clearVaultVariables(t)
	_, err := vault.NewClient(nil)
	require.ErrorIs(t, err, hush.ErrAbsent)
	assert.Equal(t, hush.ErrAbsent, hush.ClassOf(err))
	assert.ErrorContains(t, err, "no address of Vault: configure one, or set VAULT_ADDR")
}

func TestNewClientRejectsAnOptionThatDiffersFromItsVariable(t *testing.T) {
	for _, c := range []struct {
		setting, variable, value string
		opts                     vault.ClientOptions
	}{
		{"address", "VAULT_ADDR", "https://c:8200", vault.ClientOptions{}},
		{"address", "VAULT_AGENT_ADDR", "https://c:8200", vault.ClientOptions{}},
		{"address", "VAULT_ADDR", "https://a:8200", vault.ClientOptions{Addresses: []string{"https://a:8200", "https://b:8200"}}},
		{"namespace", "VAULT_NAMESPACE", clientCanary, vault.ClientOptions{Namespace: "team"}},
		{"token", "VAULT_TOKEN", clientCanary, vault.ClientOptions{Token: hush.NewValue([]byte("other-" + clientCanary))}},
		{"CA", "VAULT_CACERT", clientCanary, vault.ClientOptions{CAFile: "f"}},
		{"CA", "VAULT_CAPATH", clientCanary, vault.ClientOptions{CAFile: "f"}},
		{"CA", "VAULT_CACERT_BYTES", clientCanary, vault.ClientOptions{CAPEM: []byte("f")}},
		{"client certificate", "VAULT_CLIENT_CERT", clientCanary, vault.ClientOptions{ClientCertFile: "f"}},
		{"client key", "VAULT_CLIENT_KEY", clientCanary, vault.ClientOptions{ClientCertFile: "f", ClientKeyFile: "f"}},
		{"server name", "VAULT_TLS_SERVER_NAME", clientCanary, vault.ClientOptions{ServerName: "f"}},
		{"ClientOptions.InsecureSkipVerify", "VAULT_SKIP_VERIFY", "true", vault.ClientOptions{}},
		{"ClientOptions.InsecureSkipVerify", "VAULT_SKIP_VERIFY", "false", vault.ClientOptions{InsecureSkipVerify: true}},
	} {
		t.Run(c.setting+" and "+c.variable, func(t *testing.T) {
			clearVaultVariables(t)
			t.Setenv(c.variable, c.value)
			if len(c.opts.Addresses) == 0 {
				c.opts.Addresses = []string{"https://a:8200"}
			}
			_, err := vault.NewClient(&c.opts)
			require.ErrorContains(t, err, c.variable)
			assert.ErrorContains(t, err, c.setting)
			assert.NotContains(t, err.Error(), clientCanary)
		})
	}
}

func TestNewClientAcceptsAnOptionThatEqualsItsVariable(t *testing.T) {
	clearVaultVariables(t)
	t.Setenv("VAULT_ADDR", "https://Vault.internal/")
	t.Setenv("VAULT_NAMESPACE", "team/")
	t.Setenv("VAULT_TOKEN", "t")
	t.Setenv("VAULT_TLS_SERVER_NAME", "n")
	t.Setenv("VAULT_SKIP_VERIFY", "false")
	newClient(t, &vault.ClientOptions{
		Addresses: []string{"vault.internal:443"}, Namespace: "team", Token: hush.NewValue([]byte("t")), ServerName: "n",
	})
}

func TestNewClientRejectsInvalidAddresses(t *testing.T) {
	clearVaultVariables(t)
	for _, addresses := range [][]string{
		{"https://user:hunter2@a"},
		{"ftp://hunter2"},
		{"https://a/hunter2"},
		{"https://a?x=hunter2"},
		{"https://a#hunter2"},
		{"https://a:0"},
		{"https://a:65536"},
		{"https://a:"},
		{"https://"},
		{""},
		{"https://a b"},
		{"https://[::1"},
		{"https://a", "http://b"},
		{"https://a", ""},
		{"unix:///run/vault.sock", "https://a"},
		{"unix://hunter2"},
		strings.Split(strings.Repeat("https://a ", 16)+"https://a", " "),
	} {
		_, err := vault.NewClient(&vault.ClientOptions{Addresses: addresses})
		require.ErrorContains(t, err, "address", "%q", addresses)
		assert.NotContains(t, err.Error(), clientCanary)
		assert.NotErrorIs(t, err, hush.ErrAbsent)
	}
	t.Setenv("VAULT_ADDR", "https://user:hunter2@a")
	_, err := vault.NewClient(nil)
	require.ErrorContains(t, err, "VAULT_ADDR: ")
	assert.NotContains(t, err.Error(), clientCanary)
}

func TestNewClientRejectsInvalidVariables(t *testing.T) {
	for variable, values := range map[string][]string{
		"VAULT_MAX_RETRIES":       {"hunter2", "-1", "1.5", "99999"},
		"VAULT_CLIENT_TIMEOUT":    {"hunter2", "-1", "-1s"},
		"VAULT_RATE_LIMIT":        {"hunter2", "0", "-1", "1:hunter2", "NaN"},
		"VAULT_HEADERS":           {"hunter2", `{"a":1}`, `{"x-vault-token":"hunter2"}`, `["hunter2"]`},
		"VAULT_SKIP_VERIFY":       {"hunter2"},
		"VAULT_SRV_LOOKUP":        {"hunter2", "true"},
		"VAULT_DISABLE_REDIRECTS": {"hunter2"},
		"VAULT_PROXY_ADDR":        {"hunter2", "ftp://u:hunter2@a", "http://", "://hunter2"},
		"VAULT_HTTP_PROXY":        {"hunter2"},
		"VAULT_CACERT":            {"/nonexistent/hunter2"},
		"VAULT_CACERT_BYTES":      {"hunter2"},
		"VAULT_CAPATH":            {"/nonexistent/hunter2"},
		"VAULT_CLIENT_CERT":       {"/nonexistent/hunter2"},
		"VAULT_CLIENT_KEY":        {"/nonexistent/hunter2"},
	} {
		t.Run(variable, func(t *testing.T) {
			for _, value := range values {
				clearVaultVariables(t)
				t.Setenv("VAULT_ADDR", "https://a")
				t.Setenv(variable, value)
				_, err := vault.NewClient(nil)
				require.Error(t, err, "%s=%s", variable, value)
				assert.NotContains(t, err.Error(), clientCanary, "%s=%s", variable, value)
			}
		})
	}
}

func TestNewClientReportsAllInvalidSettings(t *testing.T) {
	clearVaultVariables(t)
	t.Setenv("VAULT_NAMESPACE", "team")
	t.Setenv("VAULT_RATE_LIMIT", "-1")
	_, err := vault.NewClient(&vault.ClientOptions{Addresses: []string{"https://a"}, Namespace: "other", CAFile: "/nonexistent", ClientCertFile: "f"})
	for _, want := range []string{"VAULT_NAMESPACE differs", "invalid VAULT_RATE_LIMIT", "the CA file does not exist", "the client certificate has no key"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestSRVLookupIsAllowedWithAPort(t *testing.T) {
	clearVaultVariables(t)
	t.Setenv("VAULT_SRV_LOOKUP", "true")
	assert.False(t, newClient(t, &vault.ClientOptions{Addresses: []string{"https://a:8200"}}).SRVLookup())
}

func TestInsecureSkipVerifyIsLogged(t *testing.T) {
	clearVaultVariables(t)
	n := newTLSNode(t, serves)
	var out bytes.Buffer
	opts := &vault.ClientOptions{
		Addresses: []string{n.URL}, InsecureSkipVerify: true, Token: hush.NewValue([]byte(nodeToken)),
		Logger: slog.New(slog.NewTextHandler(&out, nil)),
	}
	client := newClient(t, opts)
	for range 3 {
		require.NoError(t, request(t, client, http.MethodGet))
	}
	_, err := vault.New(client, &vault.Options{KV: 1}).Get(t.Context(), hush.Name("app"))
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(out.String(), "\n"))
	assert.Contains(t, out.String(), "level=WARN")
	assert.Contains(t, out.String(), n.URL)
	assert.NotContains(t, out.String(), nodeToken)

	opts.InsecureSkipVerify = false
	require.Error(t, request(t, newClient(t, opts), http.MethodGet))
}

func TestDisableRedirects(t *testing.T) {
	clearVaultVariables(t)
	t.Setenv("VAULT_DISABLE_REDIRECTS", "true")
	var self *node
	self = newNode(t, redirects(func() string { return self.URL }))
	require.Error(t, request(t, newClient(t, &vault.ClientOptions{Addresses: []string{self.URL}}), http.MethodGet))
	assert.Len(t, self.requests(), 1)
}

func TestNewClientConnectsToAUnixSocket(t *testing.T) {
	clearVaultVariables(t)
	path := filepath.Join(t.TempDir(), "vault.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	n := &node{}
	n.Server = httptest.NewUnstartedServer(n.record(serves))
	_ = n.Listener.Close()
	n.Listener = l
	n.Start()
	t.Cleanup(n.Close)
	client := newClient(t, &vault.ClientOptions{Addresses: []string{"unix://" + path}})
	require.NoError(t, request(t, client, http.MethodPut))
	client.SetToken(nodeToken)
	_, err = vault.New(client, &vault.Options{KV: 1}).Get(t.Context(), hush.Name("app"))
	require.NoError(t, err)
	assert.Equal(t, nodeToken, n.requests()[len(n.requests())-1].token)
}

func TestNewClientUsesTheProxyExceptForLoopback(t *testing.T) {
	for _, variable := range []string{"VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"} {
		clearVaultVariables(t)
		proxy, local := newNode(t, serves), newNode(t, serves)
		t.Setenv(variable, proxy.URL)
		require.NoError(t, request(t, newClient(t, &vault.ClientOptions{Addresses: []string{"http://vault.invalid:8200"}}), http.MethodGet))
		require.Len(t, proxy.requests(), 1)
		assert.Equal(t, "vault.invalid:8200", proxy.requests()[0].host)
		require.NoError(t, request(t, newClient(t, &vault.ClientOptions{Addresses: []string{local.URL}}), http.MethodGet))
		assert.Len(t, local.requests(), 1)
		assert.Len(t, proxy.requests(), 1, "loopback needs no proxy")
	}
}

func TestErrorOfARequestDoesNotQuoteTheToken(t *testing.T) {
	err := request(t, connect(t, unusedAddress(t)), http.MethodGet)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), nodeToken)
}
