package vault_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestLeaseIsUsedDuringAnOutage(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	first := l.requireGet(t, creds)
	restore := l.server.Break()
	for range 59 {
		l.Advance(time.Minute)
		assert.True(t, first.Equal(l.requireGet(t, creds)))
	}
	l.Advance(59 * time.Second)
	assert.True(t, first.Equal(l.requireGet(t, creds)), "until the last second")
	l.Advance(time.Second)
	l.requireFailure(t, creds, hush.ErrUnavailable)
	restore()
	assert.NotEqual(t, first.Version, l.requireGet(t, creds).Version)
}

// One read waits briefly for the renewal, and the others do not wait.
func TestReadsDoNotWaitForARenewalThatHangs(t *testing.T) {
	t.Parallel()
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{Timeout: -1})
	first := l.requireGet(t, creds)
	l.Advance(41 * time.Minute)
	release := l.server.Hang(vaulttest.RenewLease)
	defer release()
	var wg sync.WaitGroup
	wg.Go(func() {
		secret, err := l.Get(t.Context(), creds)
		assert.NoError(t, err)
		assert.True(t, first.Equal(secret))
	})
	l.waitForCalls(t, vaulttest.RenewLease, 1)
	ctx := watch(t.Context())
	secret, err := l.Get(ctx, creds)
	require.NoError(t, err)
	assert.True(t, first.Equal(secret))
	select {
	case <-ctx.waiting:
		assert.Fail(t, "another read waited, too")
	default:
	}
	assert.True(t, first.Equal(l.requireOneSecret(t, creds)))
	wg.Wait()
	assert.Equal(t, 1, l.calls(vaulttest.RenewLease))
	release()
	require.Eventually(t, func() bool { return l.requireGet(t, creds).Expires.After(first.Expires) }, 10*time.Second, time.Millisecond)
}

// A caller with little time gets the current secret while there is time to use it.
func TestReadWithADeadlineWaitsBrieflyForARenewal(t *testing.T) {
	t.Parallel()
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	first := l.requireGet(t, creds)
	l.Advance(41 * time.Minute)
	defer l.server.Hang(vaulttest.RenewLease)()
	ctx, cancel := context.WithTimeout(t.Context(), 1900*time.Millisecond)
	defer cancel()
	secret, err := l.Get(ctx, creds)
	require.NoError(t, err)
	assert.True(t, first.Equal(secret))
}
