package integration_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/vault"
)

const (
	outage = 3 * time.Second
	slack  = 3 * time.Second // that a busy machine may add to a limit
)

func TestVaultSealed(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	client := s.newClient(t)
	p := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	late := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	require.NoError(t, readsDB(t.Context(), p))
	s.Seal()
	fails(t, p, hush.Name("db"), hush.ErrUnavailable, "sealed")
	s.Unseal()
	eventually(t, "it answers again", func() bool { return readsDB(t.Context(), p) == nil })
	assert.Equal(t, 1, s.Logins(), "the token is still one")

	s.Seal()
	fails(t, late, hush.Name("db"), hush.ErrUnavailable, "sealed")
	s.Unseal()
	eventually(t, "it logs in", func() bool { return readsDB(t.Context(), late) == nil })
}

func TestVaultRestarted(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	p := s.kv(t)
	load := startReaders(t, 16, func(ctx context.Context) error {
		if err := readsDB(ctx, p); hush.ClassOf(err) != hush.ErrUnavailable {
			return err
		}
		return nil
	})
	for range 3 {
		load.await(t)
		s.Restart()
	}
	load.await(t)
	assert.Empty(t, load.failed(), "all that a restart may be is unavailable")
	require.NoError(t, readsDB(t.Context(), p))
	assert.Equal(t, 1, s.Logins(), "tokens are kept")
}

// TestVaultKilled has readers without a cache while the server is gone, and while
// it takes calls and does not answer.
func TestVaultKilled(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	const most = time.Second
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: s.appRole(), Timeout: most}))
	require.NoError(t, readsDB(t.Context(), p))
	var longest, failed atomic.Int64
	load := startReaders(t, manyReaders, func(ctx context.Context) error {
		began := time.Now()
		err := readsDB(ctx, p)
		raise(&longest, time.Since(began))
		if hush.ClassOf(err) == hush.ErrUnavailable {
			failed.Add(1)
			return nil
		}
		return err
	})
	load.await(t)
	s.Stop()
	load.await(t)
	assert.Positive(t, failed.Load(), "gone")
	s.Resume()
	eventually(t, "it answers again", func() bool { return readsDB(t.Context(), p) == nil })

	goOn := s.Hang()
	before := failed.Load()
	load.await(t)
	assert.Greater(t, failed.Load(), before, "mute")
	goOn()
	load.await(t)
	assert.Empty(t, load.failed(), "a failure is ErrUnavailable and no other")
	require.NoError(t, readsDB(t.Context(), p))
	assert.Less(t, time.Duration(longest.Load()), most+slack)
	t.Logf("%d reads, of which %d failed, the longest in %v", load.total(), failed.Load(), time.Duration(longest.Load()))
}

// TestVaultKilledBehindCache is the promise of StaleIfError.
func TestVaultKilledBehindCache(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	const ttl, patience = 250 * time.Millisecond, 5 * time.Second
	cache := cachettl.New(s.kv(t), ttl, &cachettl.Options{StaleIfError: time.Minute, FetchTimeout: 2 * time.Second})
	t.Cleanup(func() { assert.NoError(t, cache.Close()) })
	require.NoError(t, readsDB(t.Context(), cache))

	var (
		longest, stale atomic.Int64
		mute           atomic.Int64 // since when no read can be fresh, in ns; 0: it can
	)
	load := startReaders(t, manyReaders, func(ctx context.Context) error {
		pause(ctx, time.Millisecond) // a hit takes none
		began, since := time.Now(), mute.Load()
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		secret, err := cache.Get(ctx, hush.Name("db"))
		raise(&longest, time.Since(began))
		switch {
		case err != nil:
			return err
		case secret.Stale:
			stale.Add(1)
		case since != 0 && began.UnixNano() > since+int64(ttl) && mute.Load() == since:
			return errNotStale
		}
		return nil
	})
	load.await(t)
	s.Stop()
	gone := time.Now()
	mute.Store(gone.UnixNano())
	eventually(t, "the outage lasts", func() bool { return time.Since(gone) > outage })
	assert.Positive(t, stale.Load())
	mute.Store(0)
	s.Resume()
	back := time.Now()
	eventually(t, "reads are fresh", func() bool {
		secret, err := cache.Get(t.Context(), hush.Name("db"))
		return err == nil && !secret.Stale
	})
	took := time.Since(back)
	assert.Empty(t, load.failed())
	assert.Less(t, time.Duration(longest.Load()), patience, "no reader waited for its deadline")
	assert.Less(t, took, time.Second+slack, "one step of the back-off")
	t.Logf("%d reads, %d of them stale, the longest in %v; fresh %v after the return", load.total(), stale.Load(),
		time.Duration(longest.Load()).Round(time.Millisecond), took.Round(time.Millisecond))
}

var errNotStale = errors.New("a value past its TTL was not marked Stale")

func raise(most *atomic.Int64, to time.Duration) {
	for {
		old := most.Load()
		if int64(to) <= old || most.CompareAndSwap(old, int64(to)) {
			return
		}
	}
}

// TestVaultDeadAddress uses a cluster with one dead address.
func TestVaultDeadAddress(t *testing.T) {
	t.Parallel()
	s, gone := startVault(t, vaultserver.Login{}), vaultserver.Start(t)
	gone.Stop()
	client, err := vault.NewClient(&vault.ClientOptions{Addresses: []string{gone.URL(), s.URL()}, IgnoreEnvironment: true})
	require.NoError(t, err)
	t.Cleanup(client.CloneConfig().HttpClient.CloseIdleConnections)
	p := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	require.NoError(t, readsDB(t.Context(), p), "logins pass over it, too")
}
