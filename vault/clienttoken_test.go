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

// userHome returns a Vault with a secret, whose address VAULT_ADDR has, and the path
// at which "vault login" would store its token.
func userHome(t *testing.T) (server *vaulttest.Server, tokenPath string) {
	t.Helper()
	noVault(t)
	server = startVault(t)
	server.Put("secret", app, map[string]any{"password": "x"})
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv(api.EnvVaultAddress, server.URL())
	return server, filepath.Join(home, ".vault-token")
}

// reads returns the class of a read, zero for success.
func reads(t *testing.T, p hush.Provider) hush.Class {
	t.Helper()
	_, err := p.Get(t.Context(), hush.Name(app))
	return hush.ClassOf(err)
}

// TestStoredTokenIsReadAgain: a program that runs before "vault login", and after the next
// one, uses the token that it stored.
func TestStoredTokenIsReadAgain(t *testing.T) {
	server, path := userHome(t)
	p := vault.New(made(t, nil), nil)
	_, err := p.Get(t.Context(), hush.Name(app))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "run vault login")

	for range 2 {
		token := server.Token(nil)
		writeFile(t, path, token+"\n")
		assert.Zero(t, reads(t, p))
		server.Revoke(token)
	}
	assert.Equal(t, hush.ErrUnauthenticated, reads(t, p), "the revoked token is the only one")
	require.NoError(t, os.Remove(path))
}

func TestURLUsesTheStoredToken(t *testing.T) {
	server, path := userHome(t)
	writeFile(t, path, server.Token(nil))
	for _, text := range []string{"vault:", "vault:?auth=token", "vault:?kv=2", "vault://" + server.Addr() + "?tls=false"} {
		p, err := openURL(t, text)
		require.NoError(t, err, text)
		assert.Zero(t, reads(t, p), text)
	}
}

// TestStoredTokenIsSentOnlyToTheAddressInTheEnvironment: a configuration file that names another host
// does not get the token, and neither does a program that ignores the environment.
func TestStoredTokenIsSentOnlyToTheAddressInTheEnvironment(t *testing.T) {
	server, path := userHome(t)
	writeFile(t, path, server.Token(nil))
	here := []string{server.URL()}
	ignoring := vault.New(made(t, &vault.ClientOptions{Addresses: here, IgnoreEnvironment: true}), nil)
	assert.Equal(t, hush.ErrUnauthenticated, reads(t, ignoring))

	t.Setenv(api.EnvVaultAddress, "")
	elsewhere := vault.New(made(t, &vault.ClientOptions{Addresses: here}), nil)
	assert.Equal(t, hush.ErrUnauthenticated, reads(t, elsewhere))
	p, err := openURL(t, "vault://"+server.Addr()+"?tls=false")
	require.NoError(t, err)
	assert.Equal(t, hush.ErrUnauthenticated, reads(t, p))
	assert.Zero(t, server.Calls(vaulttest.Call{}), "requests")
}

// TestClientTokenTakesPrecedenceOverTheStoredToken: VAULT_TOKEN and the program's token are used first.
func TestClientTokenTakesPrecedenceOverTheStoredToken(t *testing.T) {
	server, path := userHome(t)
	writeFile(t, path, "hvs.another")
	t.Setenv(api.EnvVaultToken, server.Token(nil))
	client := made(t, nil)
	p := vault.New(client, nil)
	assert.Zero(t, reads(t, p))
	client.ClearToken()
	writeFile(t, path, server.Token(nil))
	assert.Zero(t, reads(t, p))
}

// TestStoredTokenIsNotSentAfterSetAddress: a client that was given another address does
// not send the token there.
func TestStoredTokenIsNotSentAfterSetAddress(t *testing.T) {
	_, path := userHome(t)
	writeFile(t, path, "hvs.of-vault-login")
	other := newNode(t, serves)
	client := made(t, nil)
	require.NoError(t, client.SetAddress(other.URL))
	assert.Equal(t, hush.ErrUnauthenticated, reads(t, vault.New(client, &vault.Options{KV: 1})))
	assert.Empty(t, other.requests())
}
