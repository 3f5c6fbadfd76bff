package vault

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

// A caller may have seen no engine although another one has found it since.
func TestDiscoveryIsNotRepeatedAfterSuccess(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	p := New(server.Client(), nil)
	found, err := p.engine(t.Context())
	require.NoError(t, err)
	again, err := p.startDiscovery(t.Context()).wait(t.Context())
	require.NoError(t, err)
	assert.Same(t, found, again)
	assert.Equal(t, 1, server.Calls(vaulttest.Call{Operation: vaulttest.Preflight}))
}
