// Command hush is a typical program without the AWS SDK: a cache, and a chain of the Lambda
// extension and the environment that logs with zap.
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
)

func main() {
	logger := zap.Must(zap.NewProduction())
	secrets := cachettl.New(chain.New([]chain.Link{
		{Name: "extension", Provider: extension.New(nil)},
		{Name: "env", Provider: env.New(nil)},
	}, &chain.Options{Logger: logger}), 5*time.Minute, nil)
	secret, err := hush.Get(context.Background(), secrets, "db/prod#password")
	logger.Info("secret read", zap.String("source", secret.Source), zap.Error(err))
}
