// Package sdkread reads a secret with the bare AWS SDK and its default configuration.
package sdkread

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush/bench/coldstart/program"
)

// Read returns the secret with the name program.Name.
func Read() (string, error) {
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
