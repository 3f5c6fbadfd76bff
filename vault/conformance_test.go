package vault_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func startVault(t testing.TB) *vaulttest.Server {
	t.Helper()
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server
}

// harness has a client whose token policies can restrict.
func harness(t *testing.T, mount string, engine vaulttest.Engine, opts *vault.Options) (providertest.Harness, *vaulttest.Server) {
	server := startVault(t)
	server.Mount(mount, engine)
	client := server.Client()
	client.SetToken(server.Token(nil))
	put := func(name string, value []byte) { server.PutJSON(mount, name, string(value)) }
	return providertest.Harness{
		Provider: vault.New(client, opts),
		Put:      put,
		Rotate:   put,
		Deny:     func(name string) { server.Deny(mount, name) },
		Break:    server.Break,
		Hang:     func() func() { return server.Hang("") },
		Hidden:   []string{server.RootToken(), client.Token()},
		Objects:  true,
	}, server
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		mount  string
		engine vaulttest.Engine
		opts   *vault.Options
	}{
		"KV v2, found out": {"secret", vaulttest.KV2, nil},
		"KV v1, found out": {"secret", vaulttest.KV1, nil},
		"KV v2, told":      {"team/kv", vaulttest.KV2, &vault.Options{Mount: "/team/kv/", KV: 2}},
		"KV v1, told":      {"team/kv", vaulttest.KV1, &vault.Options{Mount: "team/kv", KV: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				h, _ := harness(t, c.mount, c.engine, c.opts)
				return h
			})
		})
	}
}

// A secret without a lease is read here from KV v1.
func TestReaderConformance(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		const mount = "team/kv"
		h, server := harness(t, mount, vaulttest.KV1, nil)
		client := server.Client()
		client.SetToken(server.Token(nil))
		h.Provider = below(mount, vault.NewReader(client, &vault.ReaderOptions{Mounts: []string{mount}}))
		return h
	})
}

// below adds the mount to the names of the suite.
func below(mount string, next hush.Provider) hush.Provider {
	return hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		if err := ref.Validate(); err != nil {
			return hush.Secret{}, err
		}
		full := ref
		full.Name = mount + "/" + ref.Name
		secret, err := next.Get(ctx, full)
		if e, ok := errors.AsType[*hush.Error](err); ok {
			err = hush.NewError(e.Provider, ref, e.Class, e.Err)
		}
		return secret, err
	})
}
