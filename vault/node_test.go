package vault_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
)

const nodeToken = "hvs.canary-of-the-client"

// A received is a request that a node received.
type received struct{ method, path, host, token, body string }

// A node is a server of one address that records its requests.
type node struct {
	*httptest.Server
	mu       sync.Mutex
	received []received
}

func newNode(t *testing.T, answer http.HandlerFunc) *node {
	t.Helper()
	n := &node{}
	n.Server = httptest.NewServer(n.record(answer))
	t.Cleanup(n.Close)
	return n
}

func newTLSNode(t *testing.T, answer http.HandlerFunc) *node {
	t.Helper()
	n := &node{}
	n.Server = httptest.NewTLSServer(n.record(answer))
	n.Config.ErrorLog = quiet
	t.Cleanup(n.Close)
	return n
}

func (n *node) record(answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		n.received = append(n.received, received{r.Method, r.URL.EscapedPath(), r.Host, r.Header.Get("X-Vault-Token"), string(body)})
		n.mu.Unlock()
		answer(w, r)
	})
}

func (n *node) requests() []received {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.received
}

// host returns the address of the node without the scheme.
func (n *node) host() string { return n.Listener.Addr().String() }

// serves responds as a KV engine of version 1 that has every secret.
func serves(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"data":{"password":"hunter2","ttl":3600}}`)
}

// redirects responds as a standby whose active node is at address.
func redirects(address func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// As Vault does: the path decoded, and so without its escapes.
		w.Header().Set("Location", address()+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

func respondsWith(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// unusedAddress returns an address to which nothing listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

// clearVaultVariables unsets the VAULT_ variables until the test ends.
func clearVaultVariables(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if key, _, _ := strings.Cut(pair, "="); strings.HasPrefix(key, "VAULT_") {
			t.Setenv(key, "") // so that it is restored
			require.NoError(t, os.Unsetenv(key))
		}
	}
}

// connect returns a client of these addresses, without VAULT_ variables.
func connect(t *testing.T, addresses ...string) *api.Client {
	t.Helper()
	clearVaultVariables(t)
	return newClient(t, &vault.ClientOptions{Addresses: addresses, Token: hush.NewValue([]byte(nodeToken))})
}

// newClient returns a client whose connections are closed at the end of the test.
func newClient(t *testing.T, opts *vault.ClientOptions) *api.Client {
	t.Helper()
	client, err := vault.NewClient(opts)
	require.NoError(t, err)
	t.Cleanup(client.CloneConfig().HttpClient.CloseIdleConnections)
	return client
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func newFile(t *testing.T, text string) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "credential"), text)
}
