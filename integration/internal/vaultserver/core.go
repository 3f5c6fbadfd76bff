package vaultserver

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	awsauth "github.com/hashicorp/vault/builtin/credential/aws"
	"github.com/hashicorp/vault/builtin/logical/database"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/vault"
)

// postgresPlugin is the name of Vault's PostgreSQL plugin.
const postgresPlugin = "postgresql-database-plugin"

var (
	engines = map[string]logical.Factory{"kv": kv.Factory, "database": database.Factory}
	methods = map[string]logical.Factory{"approle": approle.Factory, "aws": awsauth.Factory, "jwt": jwtauth.Factory}
)

// newCore returns a sealed Vault with storage.
func newCore(storage physical.Backend) (*vault.Core, error) {
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		DisableMlock:       true,
		Logger:             hclog.NewNullLogger(),
		LogicalBackends:    engines,
		CredentialBackends: methods,
		BuiltinRegistry:    builtins{},
		// Background work would disturb the tests.
		RollbackPeriod:     time.Hour,
		NumRollbackWorkers: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("vaultserver: %w", err)
	}
	return core, nil
}

// initialize initializes the storage of core. It returns the unseal key and the root token.
func initialize(ctx context.Context, core *vault.Core) (key []byte, root string, err error) {
	seal := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1, StoredShares: 1}
	result, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: seal, RecoveryConfig: &vault.SealConfig{}})
	if err != nil {
		return nil, "", fmt.Errorf("vaultserver: %w", err)
	}
	return result.SecretShares[0], result.RootToken, nil
}

func handlerOf(core *vault.Core) http.Handler {
	return vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})
}

// builtins are the built-in plugins of Vault. Vault looks up a plugin for each mount, including
// the mounts of its configuration.
type builtins struct{}

func (builtins) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	if kind == consts.PluginTypeDatabase && name == postgresPlugin {
		return postgresql.New, true
	}
	factory, ok := factories(kind)[name]
	return func() (any, error) { return factory, nil }, ok
}

func (b builtins) Contains(name string, kind consts.PluginType) bool {
	_, ok := b.Get(name, kind)
	return ok
}

func (builtins) Keys(kind consts.PluginType) []string {
	if kind == consts.PluginTypeDatabase {
		return []string{postgresPlugin}
	}
	return slices.Sorted(maps.Keys(factories(kind)))
}

func (b builtins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func factories(kind consts.PluginType) map[string]logical.Factory {
	switch kind {
	case consts.PluginTypeSecrets:
		return engines
	case consts.PluginTypeCredential:
		return methods
	default:
		return nil
	}
}
