package bench_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/extension"
)

const (
	storeLatency = 30 * time.Millisecond
	token        = "token"
)

// BenchmarkPath reads one secret in three ways: with the AWS SDK from a loopback Secrets Manager
// with storeLatency, through the extension's protocol, and from memory. Package agent replaces
// AWS's extension.
func BenchmarkPath(b *testing.B) {
	store, err := directtest.Start(nil)
	require.NoError(b, err)
	b.Cleanup(store.Close)
	store.Put("db", []byte(secret))
	store.Latency(storeLatency, storeLatency)
	ctx, ref := context.Background(), hush.Name("db")

	b.Run("sdk/first", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, readBySDK(ctx, newSDK(b, store)))
		}
	})
	client := newSDK(b, store)
	measure(b, "sdk/warm", func() error { return readBySDK(ctx, client) })

	b.Run("extension/first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			p := startExtension(b, store)
			b.StartTimer()
			_, err := p.Get(ctx, ref)
			require.NoError(b, err)
		}
	})
	p := startExtension(b, store)
	measure(b, "extension/warm", func() error { _, err := p.Get(ctx, ref); return err })

	memory := newHushFor(b, p, nil)
	measure(b, "memory", func() error { _, err := memory.Get(ctx, ref); return err })
}

// newSDK configures a client like a program at its start.
func newSDK(b *testing.B, store *directtest.Server) *secretsmanager.Client {
	b.Helper()
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(store.Region()),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(directtest.AccessKeyID, directtest.SecretAccessKey, "")))
	require.NoError(b, err)
	return secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.BaseEndpoint = aws.String(store.URL()) })
}

func readBySDK(ctx context.Context, client *secretsmanager.Client) error {
	_, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("db")})
	return err
}

// startExtension serves the store on loopback with an empty cache. It returns a client without a
// connection.
func startExtension(b *testing.B, store *directtest.Server) hush.Provider {
	b.Helper()
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	c := newHushFor(b, direct.New(store.Client(), nil), nil)
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { served <- agent.Serve(ctx, listener, agent.Handler(c, token, nil)) }()
	b.Cleanup(func() {
		stop()
		require.NoError(b, <-served)
	})
	return extension.New(&extension.Options{
		Endpoint: "http://" + listener.Addr().String(), Dialect: extension.DialectLambda,
		Token: func(context.Context) (string, error) { return token, nil },
	})
}
