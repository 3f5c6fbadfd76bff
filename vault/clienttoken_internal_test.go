package vault

import (
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

// dead returns a client of an unreachable address, whose lookups fail.
func dead(t *testing.T) *api.Client {
	t.Helper()
	config := api.DefaultConfig()
	config.Address, config.MaxRetries = "http://127.0.0.1:1", 0
	client, err := api.NewClient(config)
	require.NoError(t, err)
	client.ClearToken()
	return client
}

func TestClientTokenDetectsANewToken(t *testing.T) {
	client := dead(t)
	method := newClientToken(client)
	assert.False(t, method.TokenChanged())
	_, err := method.Login(t.Context(), dead(t))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "set VAULT_TOKEN")

	client.SetToken("one")
	assert.True(t, method.TokenChanged())
	_, err = method.Login(t.Context(), dead(t))
	require.Error(t, err)
	assert.False(t, method.TokenChanged())
	client.SetToken("two")
	assert.True(t, method.TokenChanged())
	client.ClearToken()
	assert.True(t, method.TokenChanged(), "the program removed the token")

	client.SetToken("canary\nhunter2")
	_, err = method.Login(t.Context(), dead(t))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "the token is not a single line")
	assert.NotContains(t, err.Error(), "hunter2")
	_, err = newClientToken(client).Login(t.Context(), nil)
	assert.Error(t, err)
}
