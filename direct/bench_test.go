package direct_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
)

// BenchmarkGet measures a Get against its floor, the same call of the bare SDK on
// the same server and client. The ratio is what counts: loopback is not AWS.
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
