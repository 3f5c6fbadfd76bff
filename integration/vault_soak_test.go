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

// TestVaultLeaksNothing reads 20,000 times while tokens are revoked and Vault is restarted. It
// counts the remaining goroutines and connections.
func TestVaultLeaksNothing(t *testing.T) {
	const reads, workers, disturbances = 20_000, 16, 20
	s := startVault(t, vaultserver.Login{})
	client := s.newClient(t)
	p := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	const serverConns, serverGoroutines = 1, 2 // of the server's own client
	require.NoError(t, readDB(t.Context(), p))
	assert.Equal(t, serverGoroutines, goroutines(), "an idle connection of hush has no goroutine")
	assert.Greater(t, s.Connections(), serverConns)

	var done, failed atomic.Int64
	load := startReaders(t, workers, func(ctx context.Context) error {
		if rand.IntN(50) == 0 { // some callers have a short deadline
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 200*time.Microsecond)
			defer cancel()
		}
		err := readDB(ctx, p)
		done.Add(1)
		switch hush.ClassOf(err) {
		case hush.ErrUnavailable, hush.ErrCanceled:
			failed.Add(1)
			return nil
		}
		return err
	})
	for n := range disturbances {
		eventually(t, "1,000 more reads", func() bool { return done.Load() >= int64((n+1)*reads/disturbances) })
		if n%2 == 0 {
			s.RevokeLogins("approle")
		} else {
			s.Restart()
		}
	}
	load.awaitReads(t)
	assert.Empty(t, load.failed())
	require.GreaterOrEqual(t, done.Load(), int64(reads))
	idle := s.Connections()
	assert.LessOrEqual(t, idle, 4*workers, "connections are reused")
	client.CloneConfig().HttpClient.CloseIdleConnections()
	eventually(t, "connections are closed and goroutines end", func() bool {
		return s.Connections() <= serverConns && goroutines() <= serverGoroutines
	})
	t.Logf("%d reads, %d failed; %d logins; %d idle connections", done.Load(), failed.Load(), s.Logins(), idle)
}

// goroutines returns the number of goroutines of hush and of connections of clients.
func goroutines() (n int) {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		for _, function := range []string{"github.com/hush-secrets/hush/vault.", "net/http.(*persistConn)", "net/http.(*Transport)"} {
			if strings.Contains(stack, function) && !strings.Contains(stack, "integration_test.goroutines") {
				n++
				break
			}
		}
	}
	return n
}
