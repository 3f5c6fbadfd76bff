package direct_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/providertest"
)

func start(t testing.TB) *directtest.Server {
	t.Helper()
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server
}

// once disables retries, whose waits are random and long.
func once(o *secretsmanager.Options) { o.RetryMaxAttempts = 1 }

func TestConformance(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		server := start(t)
		return providertest.Harness{
			Provider: direct.New(server.Client(once), nil),
			Put:      func(name string, value []byte) { server.Put(name, value) },
			Rotate:   func(name string, value []byte) { server.Rotate(name, value)() },
			Deny:     func(name string) { server.Deny(name) },
			Break:    server.Break,
			Hang:     server.Hang,
			Hidden:   []string{directtest.SecretAccessKey},
		}
	})
}
