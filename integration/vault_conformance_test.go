package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
)

// asObject returns the object that Vault stores for value.
func asObject(value []byte) map[string]any {
	var object map[string]any
	if json.Unmarshal(value, &object) == nil && object != nil {
		return object
	}
	return map[string]any{bytesMember: base64.StdEncoding.EncodeToString(value)}
}

func TestVaultConformance(t *testing.T) {
	t.Parallel()
	t.Run("KV v2", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providertest.Harness {
			s := startVault(t, vaultserver.Login{})
			return s.harness(vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: s.appRole()}), "kv/data/", true)
		})
	})
	t.Run("KV v1", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providertest.Harness {
			s := startVault(t, vaultserver.Login{})
			return s.harness(vault.New(s.newClient(t), &vault.Options{Mount: "old", Auth: s.appRole()}), "old/", false)
		})
	})
	t.Run("Reader", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providertest.Harness {
			s := startVault(t, vaultserver.Login{})
			p := vault.NewReader(s.newClient(t), &vault.ReaderOptions{Mounts: []string{"old"}, Auth: s.appRole()})
			return s.harness(withPrefix("old/", p), "old/", false)
		})
	})
}

// harness controls the engine at prefix. Without versions, the harness has no Rotate, because
// the engine does not keep the old value.
func (s *store) harness(p hush.Provider, prefix string, versions bool) providertest.Harness {
	var mu sync.Mutex
	var denied strings.Builder
	put := func(name string, value []byte) {
		data := asObject(value)
		if versions {
			data = map[string]any{"data": data}
		}
		s.Write(prefix+name, data)
	}
	h := providertest.Harness{
		Provider: decodesBytes(p),
		Put:      put,
		Deny: func(name string) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(&denied, "path %q { capabilities = [\"deny\"] }\n", prefix+name)
			s.Policy("reader", fmt.Sprintf("path %q { capabilities = [\"read\"] }\n", prefix+"*")+denied.String())
		},
		Break: func() func() {
			s.Stop()
			return s.Resume
		},
		Hang:   s.Hang,
		Hidden: []string{s.Root()},
	}
	if versions {
		h.Rotate = put
	}
	return h
}
