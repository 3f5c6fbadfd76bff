// Command sdkvault is sdk, linked with Vault's client and never using it: the least that
// a program with every scheme can cost when Secrets Manager responds.
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

// linked is what the linker would drop, because nothing here calls it.
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
