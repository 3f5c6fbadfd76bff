package vault_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

const loginCanary = "canary-hunter2"

// A panicking method panics with value. If value is nil, it returns token.
type panicking struct {
	value any
	token string
}

func (p *panicking) Login(context.Context, *api.Client) (*api.Secret, error) {
	if p.value != nil {
		panic(p.value)
	}
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: p.token}}, nil
}

// A login runs in a goroutine of the package, where no caller can recover.
func TestPanicOfALoginMethodIsAnError(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Mount("secret", vaulttest.KV2)
	server.Mount("database", vaulttest.Database)
	server.Put("secret", "db", map[string]any{"password": "hunter2"})
	server.LeaseRole("database", "app", nil)
	for name, open := range map[string]func(api.AuthMethod) (hush.Provider, hush.Ref){
		"Provider": func(m api.AuthMethod) (hush.Provider, hush.Ref) {
			return vault.New(server.Client(), &vault.Options{Auth: m}), hush.Name("db")
		},
		"Reader": func(m api.AuthMethod) (hush.Provider, hush.Ref) {
			return vault.NewReader(server.Client(), &vault.ReaderOptions{Mounts: []string{"database"}, Auth: m}), creds
		},
	} {
		t.Run(name, func(t *testing.T) {
			method := &panicking{token: server.Token(nil)}
			provider, ref := open(method)
			for value, kind := range map[any]string{loginCanary: "string", errors.New(loginCanary): "*errors.errorString"} {
				method.value = value
				_, err := provider.Get(t.Context(), ref)
				assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), name)
				assert.ErrorContains(t, err, "panicked with a value of type "+kind, name)
				assert.Empty(t, providertest.Leaks(err, loginCanary))
			}
			method.value = nil
			_, err := provider.Get(t.Context(), ref)
			assert.NoError(t, err, "%s: the next login is not affected", name)
		})
	}
}

// A panickingTransport panics for one path.
type panickingTransport struct{ path string }

func (p panickingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == p.path {
		panic(loginCanary)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestPanicOfTheHTTPClientIsAnError(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Mount("secret", vaulttest.KV2)
	_, wrapped := server.AppRole("approle", "app", nil)
	for path, auth := range map[string]api.AuthMethod{
		"/v1/sys/internal/ui/mounts/secret": auth.Token(auth.Value(hush.NewValue([]byte(server.Token(nil))))),
		"/v1/auth/approle/login":            auth.AppRole("app", &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrapped)))}),
	} {
		t.Run(path, func(t *testing.T) {
			config := api.DefaultConfig()
			config.Address, config.MaxRetries = server.URL(), 0
			config.HttpClient = &http.Client{Transport: panickingTransport{path}}
			client, err := api.NewClient(config)
			require.NoError(t, err)
			_, err = vault.New(client, &vault.Options{Auth: auth}).Get(t.Context(), hush.Name("db"))
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%s: %v", path, err)
			assert.ErrorContains(t, err, "panicked with a value of type string", path)
			assert.Empty(t, providertest.Leaks(err, loginCanary))
		})
	}
}
