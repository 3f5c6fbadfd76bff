// Command vault is command hush with Vault as the first store.
package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
)

func main() {
	logger := zap.Must(zap.NewProduction())
	client, err := vault.NewClient(nil)
	if err != nil {
		logger.Fatal("no client", zap.Error(err))
	}
	secrets := cachettl.New(chain.New([]chain.Link{
		{Name: "vault", Provider: vault.New(client, &vault.Options{Auth: auth.Kubernetes("app", nil)})},
		{Name: "extension", Provider: extension.New(nil)},
		{Name: "env", Provider: env.New(nil)},
	}, &chain.Options{Logger: logger}), 5*time.Minute, nil)
	secret, err := hush.Get(context.Background(), secrets, "db/prod#password")
	logger.Info("secret read", zap.String("source", secret.Source), zap.Error(err))
}
