// Command all reads a secret through package config, which links every scheme.
package main

import (
	"context"
	"os"

	"github.com/hush-secrets/hush/bench/coldstart/program"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

func main() { os.Exit(program.Run(read)) }

func read() (string, error) {
	secrets, err := config.OpenEnv(context.Background(), all.Schemes()...)
	if err != nil {
		return "", err
	}
	return program.Get(secrets)
}
