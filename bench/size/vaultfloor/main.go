// Command vaultfloor is the floor for the size of command vault. It is command hush with a read by
// Vault's official client.
package main

import (
	"context"
	"time"

	"github.com/hashicorp/vault/api"
	"go.uber.org/zap"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
)

func main() {
	logger := zap.Must(zap.NewProduction())
	client, err := api.NewClient(nil)
	if err != nil {
		logger.Fatal("no client", zap.Error(err))
	}
	bare := hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		_, err := client.KVv2("secret").Get(ctx, ref.Name)
		return hush.Secret{}, err
	})
	secrets := cachettl.New(chain.New([]chain.Link{
		{Name: "vault", Provider: bare},
		{Name: "extension", Provider: extension.New(nil)},
		{Name: "env", Provider: env.New(nil)},
	}, &chain.Options{Logger: logger}), 5*time.Minute, nil)
	secret, err := hush.Get(context.Background(), secrets, "db/prod#password")
	logger.Info("secret read", zap.String("source", secret.Source), zap.Error(err))
}
