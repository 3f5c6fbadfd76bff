package vault_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// userHome starts a Vault whose address is in VAULT_ADDR. It returns the path at which
// "vault login" would store its token.
func userHome(t *testing.T) (server *vaulttest.Server, tokenPath string) {
	t.Helper()
	clearVaultVariables(t)
	server = startVault(t)
	server.Put("secret", app, map[string]any{"password": "x"})
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv(api.EnvVaultAddress, server.URL())
	return server, filepath.Join(home, ".vault-token")
}

// classOfGet returns the class of a read. Zero means success.
func classOfGet(t *testing.T, p hush.Provider) hush.Class {
	t.Helper()
	_, err := p.Get(t.Context(), hush.Name(app))
	return hush.ClassOf(err)
}

// A program uses the stored token although it started before "vault login", and uses
// that of the next "vault login", too.
func TestStoredTokenIsReadAgain(t *testing.T) {
	server, path := userHome(t)
	p := vault.New(newClient(t, nil), nil)
	_, err := p.Get(t.Context(), hush.Name(app))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "run vault login")

	for range 2 {
		token := server.Token(nil)
		writeFile(t, path, token+"\n")
		assert.Zero(t, classOfGet(t, p))
		server.Revoke(token)
	}
	assert.Equal(t, hush.ErrUnauthenticated, classOfGet(t, p), "the revoked token is the only one")
	require.NoError(t, os.Remove(path))
}

func TestURLUsesTheStoredToken(t *testing.T) {
	server, path := userHome(t)
	writeFile(t, path, server.Token(nil))
	for _, text := range []string{"vault:", "vault:?auth=token", "vault:?kv=2", "vault://" + server.Addr() + "?tls=false"} {
		p, err := openURL(t, text)
		require.NoError(t, err, text)
		assert.Zero(t, classOfGet(t, p), text)
	}
}

// A configuration file that names another host does not get the token. A program that
// ignores the environment does not either.
func TestStoredTokenIsSentOnlyToTheAddressInTheEnvironment(t *testing.T) {
	server, path := userHome(t)
	writeFile(t, path, server.Token(nil))
	here := []string{server.URL()}
	ignoring := vault.New(newClient(t, &vault.ClientOptions{Addresses: here, IgnoreEnvironment: true}), nil)
	assert.Equal(t, hush.ErrUnauthenticated, classOfGet(t, ignoring))

	t.Setenv(api.EnvVaultAddress, "")
	elsewhere := vault.New(newClient(t, &vault.ClientOptions{Addresses: here}), nil)
	assert.Equal(t, hush.ErrUnauthenticated, classOfGet(t, elsewhere))
	p, err := openURL(t, "vault://"+server.Addr()+"?tls=false")
	require.NoError(t, err)
	assert.Equal(t, hush.ErrUnauthenticated, classOfGet(t, p))
	assert.Zero(t, server.Calls(vaulttest.Call{}), "requests")
}

func TestClientTokenTakesPrecedenceOverTheStoredToken(t *testing.T) {
	server, path := userHome(t)
	writeFile(t, path, "hvs.another")
	t.Setenv(api.EnvVaultToken, server.Token(nil))
	client := newClient(t, nil)
	p := vault.New(client, nil)
	assert.Zero(t, classOfGet(t, p))
	client.ClearToken()
	writeFile(t, path, server.Token(nil))
	assert.Zero(t, classOfGet(t, p))
}

func TestStoredTokenIsNotSentAfterSetAddress(t *testing.T) {
	_, path := userHome(t)
	writeFile(t, path, "hvs.of-vault-login")
	other := newNode(t, serves)
	client := newClient(t, nil)
	require.NoError(t, client.SetAddress(other.URL))
	assert.Equal(t, hush.ErrUnauthenticated, classOfGet(t, vault.New(client, &vault.Options{KV: 1})))
	assert.Empty(t, other.requests())
}
