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
	slack  = 3 * time.Second // tolerance for a busy machine
)

func TestVaultSealedIsUnavailable(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	client := s.newClient(t)
	p := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	notLoggedIn := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	require.NoError(t, readDB(t.Context(), p))
	s.Seal()
	assertFails(t, p, hush.Name("db"), hush.ErrUnavailable, "sealed")
	s.Unseal()
	eventually(t, "the store is available", func() bool { return readDB(t.Context(), p) == nil })
	assert.Equal(t, 1, s.Logins(), "the token is still valid")

	s.Seal()
	assertFails(t, notLoggedIn, hush.Name("db"), hush.ErrUnavailable, "sealed")
	s.Unseal()
	eventually(t, "the login succeeds", func() bool { return readDB(t.Context(), notLoggedIn) == nil })
}

func TestVaultRestartKeepsLogin(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	p := s.kv(t)
	load := startReaders(t, 16, func(ctx context.Context) error {
		if err := readDB(ctx, p); hush.ClassOf(err) != hush.ErrUnavailable {
			return err
		}
		return nil
	})
	for range 3 {
		load.awaitReads(t)
		s.Restart()
	}
	load.awaitReads(t)
	assert.Empty(t, load.failed(), "during a restart, reads may only fail with ErrUnavailable")
	require.NoError(t, readDB(t.Context(), p))
	assert.Equal(t, 1, s.Logins(), "tokens survive a restart")
}

// TestVaultOutageIsUnavailable has readers without a cache. The server refuses connections,
// and later accepts requests without responding.
func TestVaultOutageIsUnavailable(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	const timeout = time.Second
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: s.appRole(), Timeout: timeout}))
	require.NoError(t, readDB(t.Context(), p))
	var longest, failed atomic.Int64
	load := startReaders(t, manyReaders, func(ctx context.Context) error {
		start := time.Now()
		err := readDB(ctx, p)
		setMax(&longest, time.Since(start))
		if hush.ClassOf(err) == hush.ErrUnavailable {
			failed.Add(1)
			return nil
		}
		return err
	})
	load.awaitReads(t)
	s.Stop()
	load.awaitReads(t)
	assert.Positive(t, failed.Load(), "refused connections")
	s.Resume()
	eventually(t, "the store is available", func() bool { return readDB(t.Context(), p) == nil })

	restore := s.Hang()
	before := failed.Load()
	load.awaitReads(t)
	assert.Greater(t, failed.Load(), before, "no response")
	restore()
	load.awaitReads(t)
	assert.Empty(t, load.failed(), "every failure is ErrUnavailable")
	require.NoError(t, readDB(t.Context(), p))
	assert.Less(t, time.Duration(longest.Load()), timeout+slack)
	t.Logf("%d reads, %d failed, longest %v", load.total(), failed.Load(), time.Duration(longest.Load()))
}

// TestVaultCacheServesStaleDuringOutage checks StaleIfError.
func TestVaultCacheServesStaleDuringOutage(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	const ttl, readTimeout = 250 * time.Millisecond, 5 * time.Second
	cache := cachettl.New(s.kv(t), ttl, &cachettl.Options{StaleIfError: time.Minute, FetchTimeout: 2 * time.Second})
	t.Cleanup(func() { assert.NoError(t, cache.Close()) })
	require.NoError(t, readDB(t.Context(), cache))

	var (
		longest, stale atomic.Int64
		outageStart    atomic.Int64 // in ns; zero means no outage
	)
	load := startReaders(t, manyReaders, func(ctx context.Context) error {
		pause(ctx, time.Millisecond) // a hit returns immediately
		start, since := time.Now(), outageStart.Load()
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		secret, err := cache.Get(ctx, hush.Name("db"))
		setMax(&longest, time.Since(start))
		switch {
		case err != nil:
			return err
		case secret.Stale:
			stale.Add(1)
		case since != 0 && start.UnixNano() > since+int64(ttl) && outageStart.Load() == since:
			return errNotStale
		}
		return nil
	})
	load.awaitReads(t)
	s.Stop()
	stopped := time.Now()
	outageStart.Store(stopped.UnixNano())
	eventually(t, "the outage lasts", func() bool { return time.Since(stopped) > outage })
	assert.Positive(t, stale.Load())
	outageStart.Store(0)
	s.Resume()
	resumed := time.Now()
	eventually(t, "reads are fresh", func() bool {
		secret, err := cache.Get(t.Context(), hush.Name("db"))
		return err == nil && !secret.Stale
	})
	recovery := time.Since(resumed)
	assert.Empty(t, load.failed())
	assert.Less(t, time.Duration(longest.Load()), readTimeout, "no read reached its deadline")
	assert.Less(t, recovery, time.Second+slack, "one step of the backoff")
	t.Logf("%d reads, %d of them stale, longest %v; fresh %v after the outage", load.total(), stale.Load(),
		time.Duration(longest.Load()).Round(time.Millisecond), recovery.Round(time.Millisecond))
}

var errNotStale = errors.New("a value past its TTL was not marked Stale")

// setMax sets longest to d if d is larger.
func setMax(longest *atomic.Int64, d time.Duration) {
	for {
		old := longest.Load()
		if int64(d) <= old || longest.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// TestVaultSkipsUnreachableAddress uses a cluster with one unreachable address.
func TestVaultSkipsUnreachableAddress(t *testing.T) {
	t.Parallel()
	s, stopped := startVault(t, vaultserver.Login{}), vaultserver.Start(t)
	stopped.Stop()
	client, err := vault.NewClient(&vault.ClientOptions{Addresses: []string{stopped.URL(), s.URL()}, IgnoreEnvironment: true})
	require.NoError(t, err)
	t.Cleanup(client.CloneConfig().HttpClient.CloseIdleConnections)
	p := s.watched(t, vault.New(client, &vault.Options{Mount: "kv", Auth: s.appRole()}))
	require.NoError(t, readDB(t.Context(), p), "logins also skip the address")
}
