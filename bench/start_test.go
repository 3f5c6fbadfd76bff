package bench_test

import (
	"context"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

// BenchmarkStart compares the start of hush agent with the start of a program with only net/http
// and the AWS SDK. It measures the time from exec to the first secret of a loopback Secrets
// Manager.
func BenchmarkStart(b *testing.B) {
	store, err := directtest.Start(nil)
	require.NoError(b, err)
	b.Cleanup(store.Close)
	store.Put("db", []byte(secret))
	env := []string{
		"AWS_TOKEN=" + token, "AWS_REGION=" + store.Region(), "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + store.URL(),
		"AWS_ACCESS_KEY_ID=" + directtest.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + directtest.SecretAccessKey,
	}
	const request = "GET /secretsmanager/get?secretId=db HTTP/1.1\r\nHost: localhost\r\nX-Aws-Parameters-Secrets-Token: " + token + "\r\n\r\n"
	for name, command := range map[string][]string{
		"hush": {build(b, "..", "./cmd/hush"), "agent", "--addr", "127.0.0.1:0", "--provider", "direct"},
		"bare": {build(b, ".", "./internal/bareagent")},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
				cmd.Env = env
				p := start(b, cmd)
				c, err := dial(p.addr, request)
				b.StopTimer()
				require.NoError(b, err)
				require.Contains(b, string(c.body), "correct horse")
				require.NoError(b, c.conn.Close())
				p.stop()
				b.StartTimer()
			}
		})
	}
}
