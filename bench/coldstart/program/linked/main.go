// Command linked is lean, linked with the SDKs of AWS and Vault and never using them: the
// least that a program with every scheme can cost.
package main

import (
	"context"
	"os"

	"github.com/hush-secrets/hush/bench/coldstart/program"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"

	_ "github.com/aws/aws-sdk-go-v2/config"
	_ "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	_ "github.com/hashicorp/vault/api"
)

func main() { os.Exit(program.Run(read)) }

func read() (string, error) {
	secrets, err := config.OpenEnv(context.Background(), extension.Scheme(), env.Scheme())
	if err != nil {
		return "", err
	}
	return program.Get(secrets)
}
