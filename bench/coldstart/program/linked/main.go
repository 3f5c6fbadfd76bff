// Command linked is lean, linked with the SDKs of AWS and Vault without using them. It is the floor
// for a program with every scheme.
package main

import (
	"context"
	"os"
	"runtime"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/bench/coldstart/program"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
)

// linked keeps the SDKs, because the linker removes unreferenced code.
var linked = []any{
	awsconfig.LoadDefaultConfig, secretsmanager.NewFromConfig, (*secretsmanager.Client).GetSecretValue,
	sts.NewFromConfig, (*sts.Client).AssumeRole, api.NewClient, (*api.Logical).ReadWithContext,
}

func main() {
	status := program.Run(read)
	runtime.KeepAlive(linked)
	os.Exit(status)
}

func read() (string, error) {
	secrets, err := config.OpenEnv(context.Background(), extension.Scheme(), env.Scheme())
	if err != nil {
		return "", err
	}
	return program.Get(secrets)
}
