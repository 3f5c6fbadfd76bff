// Command sdkvault is sdk, linked with Vault's client without using it. It is the floor for a
// program with every scheme that reads from Secrets Manager.
package main

import (
	"context"
	"os"
	"runtime"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/bench/coldstart/program"
)

func main() {
	status := program.Run(read)
	runtime.KeepAlive(linked)
	os.Exit(status)
}

// linked keeps Vault's client, because the linker removes unreferenced code.
var linked = []any{api.NewClient, (*api.Logical).ReadWithContext}

func read() (string, error) {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return "", err
	}
	client := secretsmanager.NewFromConfig(cfg)
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(program.Name)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.SecretString), nil
}
