package integration_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/vault"
)

// TestVaultLeavesNothing reads 20,000 times, while tokens are revoked and Vault is
// restarted, and counts what is left of goroutines and connections.
func TestVaultLeavesNothing(t *testing.T) {
	const reads, workers, disturbances = 20_000, 16, 20
	s := startVault(t, vaultserver.Login{})
	client := s.newClient(t)
	p := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	const roots, rootsOwn = 1, 2 // the connection of the server's own client, and its goroutines
	require.NoError(t, readsDB(t.Context(), p))
	assert.Equal(t, rootsOwn, ours(), "the count sees those of the server's own client, and a kept connection of ours has none")
	assert.Greater(t, s.Connections(), roots)

	var done, failed atomic.Int64
	load := startReaders(t, workers, func(ctx context.Context) error {
		if rand.IntN(50) == 0 { // some leave before the answer is there
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 200*time.Microsecond)
			defer cancel()
		}
		err := readsDB(ctx, p)
		done.Add(1)
		switch hush.ClassOf(err) {
		case hush.ErrUnavailable, hush.ErrCanceled:
			failed.Add(1)
			return nil
		}
		return err
	})
	for n := range disturbances {
		eventually(t, "the next thousand", func() bool { return done.Load() >= int64((n+1)*reads/disturbances) })
		if n%2 == 0 {
			s.RevokeLogins("approle")
		} else {
			s.Restart()
		}
	}
	load.await(t)
	assert.Empty(t, load.failed())
	require.GreaterOrEqual(t, done.Load(), int64(reads))
	kept := s.Connections()
	assert.LessOrEqual(t, kept, 4*workers, "connections are kept, not left")
	client.CloneConfig().HttpClient.CloseIdleConnections()
	eventually(t, "no connection is left and no goroutine of ours", func() bool {
		return s.Connections() <= roots && ours() <= rootsOwn
	})
	t.Logf("%d reads, %d failed; %d logins; %d connections were kept", done.Load(), failed.Load(), s.Logins(), kept)
}

// ours returns how many goroutines run hush's code or that of a client's
// connection.
func ours() (n int) {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		for _, of := range []string{"github.com/hush-secrets/hush/vault.", "net/http.(*persistConn)", "net/http.(*Transport)"} {
			if strings.Contains(stack, of) && !strings.Contains(stack, "integration_test.ours") {
				n++
				break
			}
		}
	}
	return n
}
