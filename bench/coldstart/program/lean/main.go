// Command lean reads a secret through package config, which links the schemes extension and env.
package main

import (
	"context"
	"os"

	"github.com/hush-secrets/hush/bench/coldstart/program"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
)

func main() { os.Exit(program.Run(read)) }

func read() (string, error) {
	secrets, err := config.OpenEnv(context.Background(), extension.Scheme(), env.Scheme())
	if err != nil {
		return "", err
	}
	return program.Get(secrets)
}
