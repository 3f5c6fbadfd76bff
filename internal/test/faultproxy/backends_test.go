package faultproxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/internal/test/faultproxy"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

const (
	shared = "db/shared" // a secret that the fallback store also has
	other  = "db/other"  // a secret that it does not have

	value = "canary-value-91c3"
	token = "canary-token-77d0"
)

// hidden are texts that no error and no log may contain.
var hidden = []string{value, token, faultproxy.Canary, directtest.SecretAccessKey}

// A backend is a kind of store and its client: a row of the matrix.
type backend struct {
	name string
	// start starts a store with the secrets shared and other. It stops when the test ends.
	start func(t *testing.T) (target string)
	// open returns a Provider of the store at endpoint, with the timeout limit.
	open func(endpoint string, limit time.Duration) hush.Provider
}

var backends = []backend{
	{"extension as the agent", startAgent, openExtension(extension.DialectAgent)},
	{"extension as Lambda's", startLambda, openExtension(extension.DialectLambda)},
	{"direct", startSecretsManager, openDirect},
	{"awsdirect", startSecretsManager, func(endpoint string, limit time.Duration) hush.Provider {
		return awsdirect.New(&awsdirect.Options{Endpoint: endpoint, Timeout: limit})
	}},
	{"vault", startVault, func(endpoint string, limit time.Duration) hush.Provider {
		client, err := vault.NewClient(&vault.ClientOptions{Addresses: []string{endpoint}, IgnoreEnvironment: true})
		if err != nil {
			panic(err) // the address of a proxy is valid
		}
		return openVault(client, limit)
	}},
}

func startAgent(t *testing.T) string {
	t.Helper()
	return startHTTP(t, agent.Handler(hush.Static(map[string]string{shared: value, other: value}), token, nil))
}

// startLambda starts a server that responds like the Lambda extension if it has the secret.
func startLambda(t *testing.T) string {
	t.Helper()
	return startHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Aws-Parameters-Secrets-Token") != token {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "bad session token or header key")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"Name": r.URL.Query().Get("secretId"), "SecretString": value, "SecretBinary": nil, "VersionId": "v1",
			"CreatedDate": "2022-11-16T08:22:40.499Z", "ResultMetadata": map[string]any{},
		})
	}))
}

func startHTTP(t *testing.T, h http.Handler) (target string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func startSecretsManager(t *testing.T) string {
	t.Helper()
	return strings.TrimPrefix(secretsManager(t).URL(), "http://")
}

func secretsManager(t *testing.T) *directtest.Server {
	t.Helper()
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put(shared, []byte(value))
	server.Put(other, []byte(value))
	return server
}

func startVault(t *testing.T) string {
	t.Helper()
	return vaultServer(t).Addr()
}

// vaultServer starts a Vault with a role that accepts token as its JWT.
func vaultServer(t *testing.T) *vaulttest.Server {
	t.Helper()
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	for _, name := range []string{shared, other} {
		server.Put("secret", name, map[string]any{"value": value})
	}
	server.JWT("jwt", "app", nil, token)
	return server
}

// openVault returns a Provider that selects the field "value" of each secret.
func openVault(client *api.Client, limit time.Duration) hush.Provider {
	method := auth.JWT("app", &auth.JWTOptions{JWT: auth.Value(hush.NewValue([]byte(token)))})
	provider := vault.New(client, &vault.Options{Auth: method, Timeout: limit})
	return hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		ref.Field = "value"
		return provider.Get(ctx, ref)
	})
}

func openExtension(dialect extension.Dialect) func(string, time.Duration) hush.Provider {
	return func(endpoint string, limit time.Duration) hush.Provider {
		return extension.New(&extension.Options{
			Endpoint: endpoint, Dialect: dialect, Timeout: limit,
			Token: func(context.Context) (string, error) { return token, nil },
		})
	}
}

func openDirect(endpoint string, limit time.Duration) hush.Provider {
	return direct.New(sdk(endpoint), &direct.Options{Timeout: limit})
}

// sdk returns a client for endpoint with the defaults of the SDK.
func sdk(endpoint string, opts ...func(*secretsmanager.Options)) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(directtest.AccessKeyID, directtest.SecretAccessKey, ""),
	}, opts...)
}

// configureAWS sets credentials for awsdirect, and removes the configuration of this machine.
func configureAWS(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if key, _, _ := strings.Cut(pair, "="); strings.HasPrefix(key, "AWS_") {
			t.Setenv(key, "") // restores the variable after the test
			require.NoError(t, os.Unsetenv(key))
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for key, text := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_REGION": "eu-west-1",
		"AWS_ACCESS_KEY_ID": directtest.AccessKeyID, "AWS_SECRET_ACCESS_KEY": directtest.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(key, text)
	}
}

// start returns a proxy in front of target. It is closed when the test ends.
func start(t *testing.T, target string) *faultproxy.Proxy {
	t.Helper()
	proxy, err := faultproxy.New(target, &faultproxy.Options{DripEvery: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(proxy.Close)
	return proxy
}

// assertClean checks that err contains none of the hidden texts.
func assertClean(t *testing.T, err error) {
	t.Helper()
	for _, leak := range providertest.Leaks(err, hidden...) {
		t.Errorf("an error contains a hidden text: %s", leak)
	}
}

// captureLog captures the output of the standard logger, to which net/http writes.
func captureLog(t *testing.T) (text func() string) {
	t.Helper()
	var mu sync.Mutex
	var b bytes.Buffer
	log.SetOutput(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}))
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
