package direct_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
)

// BenchmarkGet measures a Get, and the same call of the SDK alone. Only the ratio is
// meaningful, because the server is on loopback.
func BenchmarkGet(b *testing.B) {
	server := start(b)
	server.Put("db/prod", []byte(`{"user":"app","password":"hunter2"}`))
	client := server.Client()
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.GetSecretValue(b.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod")}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("direct", func(b *testing.B) {
		provider := direct.New(client, nil)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := provider.Get(b.Context(), hush.Name("db/prod")); err != nil {
				b.Fatal(err)
			}
		}
	})
}
