// Command hush is the usual program without AWS's SDK: the Lambda extension, then
// the environment, behind a cache, logged with zap. The size command measures what
// that adds to a program.
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
	logger.Info("asked", zap.String("source", secret.Source), zap.Error(err))
}
