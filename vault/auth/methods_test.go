package auth_test

import (
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// startLogins starts a Vault with a secret "db" and the roles "app".
func startLogins(t *testing.T) (server *vaulttest.Server, roleID, secretID string) {
	t.Helper()
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put("secret", "db", map[string]any{"user": "app"})
	roleID, secretID = server.AppRole("approle", "app", nil)
	server.Kubernetes("kubernetes", "app", nil, "the pod's token")
	server.JWT("jwt", "app", nil, "the job's token")
	return server, roleID, secretID
}

func TestEveryMethodReadsASecret(t *testing.T) {
	server, roleID, secretID := startLogins(t)
	t.Setenv("HUSHTEST_TOKEN", server.Token(nil))
	value := func(s string) hush.Value { return hush.NewValue([]byte(s)) }
	for name, method := range map[string]api.AuthMethod{
		"the client's token":     nil,
		"a token":                auth.Token(auth.Value(value(server.Token(nil)))),
		"a token of a variable":  auth.Token(auth.Env("HUSHTEST_TOKEN")),
		"a token of a file":      auth.Token(auth.File(newFile(t, server.Token(nil)))),
		"a secret id":            auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(value(secretID))}),
		"a secret id of a file":  auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.File(newFile(t, secretID+"\n"))}),
		"a wrapped secret id":    auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(value(server.WrapSecretID("approle", "app", 0, 0))), Wrapped: true}),
		"a service account":      auth.Kubernetes("app", &auth.JWTOptions{JWT: auth.File(newFile(t, "the pod's token"))}),
		"another issuer's token": auth.JWT("app", &auth.JWTOptions{JWT: auth.Value(value("the job's token"))}),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := hush.Get(t.Context(), vault.New(server.Client(), &vault.Options{Auth: method}), "db#user")
			require.NoError(t, err)
			assert.Equal(t, "app", got.Value.Reveal())
		})
	}
}

func TestTokenReportsItsTTL(t *testing.T) {
	server, _, _ := startLogins(t)
	for name, c := range map[string]struct {
		opts      vaulttest.TokenOptions
		ttl       int
		renewable bool
	}{
		"renewable":     {vaulttest.TokenOptions{TTL: time.Hour}, 3600, true},
		"not renewable": {vaulttest.TokenOptions{TTL: time.Hour, NotRenewable: true}, 3600, false},
		"periodic":      {vaulttest.TokenOptions{Period: 2 * time.Hour}, 7200, true},
		"root":          {vaulttest.TokenOptions{Policies: []string{"root"}}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			secret, err := auth.Token(auth.Value(hush.NewValue([]byte(server.Token(&c.opts))))).Login(t.Context(), server.Client())
			require.NoError(t, err, name)
			assert.InDelta(t, c.ttl, secret.Auth.LeaseDuration, 60, name)
			assert.Equal(t, c.renewable, secret.Auth.Renewable, name)
		})
	}
}

func TestUnwrappedTokenOfAnotherClientIsReported(t *testing.T) {
	server, roleID, _ := startLogins(t)
	wrapping := server.WrapSecretID("approle", "app", 0, 0)
	thief := server.Client()
	thief.ClearToken()
	_, err := thief.Logical().Unwrap(wrapping)
	require.NoError(t, err)

	login := auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(wrapping))), Wrapped: true})
	_, err = hush.Get(t.Context(), vault.New(server.Client(), &vault.Options{Auth: login}), "db")
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "it expired, or another client unwrapped it")
	assert.Empty(t, providertest.Leaks(err, wrapping))
}

// Reads fail until the agent has written its sink.
func TestSinkThatIsCreatedLater(t *testing.T) {
	server, _, _ := startLogins(t)
	path := t.TempDir() + "/sink"
	provider := vault.New(server.Client(), &vault.Options{Auth: auth.Token(auth.File(path))})
	_, err := provider.Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "does not exist")

	for range 2 {
		token := server.Token(nil)
		writeFile(t, path, token)
		_, err = provider.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err, "without a backoff")
		server.Revoke(token)
	}
}
