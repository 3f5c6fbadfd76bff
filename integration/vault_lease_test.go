package integration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/integration/internal/pg"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/vault"
)

// A databaseLogin is the data of a lease of the database engine.
type databaseLogin struct {
	Username string
	Password hush.Value
}

// A leaseStore is a Vault whose database engine creates users of a PostgreSQL.
type leaseStore struct {
	*store
	db *pg.Server
}

// startLeaseStore starts both servers with a database role app.
func startLeaseStore(t *testing.T, ttl, maxTTL time.Duration) *leaseStore {
	t.Helper()
	l := &leaseStore{store: startVault(t, vaultserver.Login{}), db: startPostgres(t)}
	l.MountDatabase("database", l.db)
	l.DatabaseRole("database", "app", ttl, maxTTL)
	l.Policy("reader", `
		path "database/creds/*" { capabilities = ["read"] }
		path "sys/leases/*" { capabilities = ["update"] }`)
	return l
}

func (l *leaseStore) reader(t *testing.T, opts vault.ReaderOptions) *vault.Reader {
	t.Helper()
	opts.Mounts, opts.Auth = []string{"database"}, l.appRole()
	return vault.NewReader(l.newClient(t), &opts)
}

var databaseApp = hush.Name("database/creds/app")

// connect opens and closes a database connection with secret.
func (l *leaseStore) connect(ctx context.Context, secret hush.Secret) error {
	var login databaseLogin
	if err := secret.Decode(&login); err != nil {
		return err
	}
	config := postgres(l.db.Host, strconv.Itoa(l.db.Port), pg.AdminDatabase)
	config.User, config.Password = login.Username, login.Password.Reveal()
	return tryConnect(ctx, config)
}

// leases record the secrets that readers received.
type leases struct {
	mu       sync.Mutex
	users    []string // in order
	last     hush.Secret
	renewals map[string]int // by user
	first    map[string]time.Time
}

func newLeases() *leases { return &leases{renewals: map[string]int{}, first: map[string]time.Time{}} }

// record records a secret whose read started at start. It returns an error if the secret is
// inconsistent or expired.
func (l *leases) record(secret hush.Secret, start time.Time) error {
	user, err := secret.Field("username")
	if err != nil {
		return err
	}
	name := user.Value.Reveal()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !slices.Contains(l.users, name):
		l.users = append(l.users, name)
		l.first[name] = time.Now()
	case name != l.users[len(l.users)-1]:
		return nil // of a read that started before the last user existed
	case !secret.Value.Equal(l.last.Value) || secret.Version != l.last.Version:
		return errors.New("two secrets for one user")
	case secret.Expires.After(l.last.Expires):
		l.renewals[name]++
	}
	if start.After(secret.Expires) {
		return fmt.Errorf("expired %v before the read", start.Sub(secret.Expires))
	}
	l.last = secret
	return nil
}

func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.users)
}

// longestUsed returns the user that was in use for the longest time until the next user.
func (l *leases) longestUsed() (name string, used time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, user := range l.users[:max(0, len(l.users)-1)] {
		if d := l.first[l.users[i+1]].Sub(l.first[user]); d > used {
			name, used = user, d
		}
	}
	return name, used
}

// use opens a connection with a secret of p. A failure is an error unless the lease has
// expired meanwhile.
func (l *leaseStore) use(ctx context.Context, p hush.Provider, seen *leases) error {
	pause(ctx, 20*time.Millisecond)
	start := time.Now()
	secret, err := p.Get(ctx, databaseApp)
	if err != nil {
		return err
	}
	if err := l.connect(ctx, secret); err != nil && time.Now().Before(secret.Expires) {
		return fmt.Errorf("%v before its expiry: %w", time.Until(secret.Expires), err)
	}
	return seen.record(secret, start)
}

// TestVaultRenewsLease has 32 readers of a role with a TTL of 3 s and a maximum TTL of 6 s.
// All readers share one user, which is renewed and opens connections until its expiry.
func TestVaultRenewsLease(t *testing.T) {
	t.Parallel()
	const ttl, maxTTL = 3 * time.Second, 6 * time.Second
	l := startLeaseStore(t, ttl, maxTTL)
	reader := l.reader(t, vault.ReaderOptions{})
	p := l.watched(t, reader)
	seen := newLeases()
	load := startReaders(t, 31, func(ctx context.Context) error {
		pause(ctx, 5*time.Millisecond)
		start := time.Now()
		secret, err := p.Get(ctx, databaseApp)
		if err != nil {
			return err
		}
		return seen.record(secret, start)
	})
	connecting := startReaders(t, 1, func(ctx context.Context) error { return l.use(ctx, p, seen) })
	eventually(t, "a user is used until its maximum TTL, and two more users exist", func() bool {
		_, used := seen.longestUsed()
		return used > maxTTL-ttl && seen.count() >= 3
	})
	assert.Empty(t, load.failed())
	assert.Empty(t, connecting.failed())
	require.NoError(t, reader.Close())

	assert.Equal(t, seen.count(), l.Calls("/v1/database/creds/app"), "every lease was used")
	name, used := seen.longestUsed()
	assert.GreaterOrEqual(t, seen.renewals[name], 2)
	assert.Less(t, used, maxTTL+slack)
	t.Logf("%d users, one of them used for %v and renewed %d times; %d reads, %d connections, %d renewals",
		seen.count(), used.Round(time.Millisecond), seen.renewals[name], load.total()+connecting.total(), connecting.total(), l.Calls("/v1/sys/leases/renew"))
}

// TestVaultLeaseIsNotRenewedEarly reads a lease before two thirds of its TTL have passed.
func TestVaultLeaseIsNotRenewedEarly(t *testing.T) {
	t.Parallel()
	l := startLeaseStore(t, time.Hour, 2*time.Hour)
	reader := l.reader(t, vault.ReaderOptions{})
	p := l.watched(t, reader)
	load := startReaders(t, 32, func(ctx context.Context) error {
		_, err := p.Get(ctx, databaseApp)
		return err
	})
	load.awaitReads(t)
	assert.Empty(t, load.failed())
	assert.Equal(t, 1, l.Calls("/v1/database/creds/app"))
	assert.Zero(t, l.Calls("/v1/sys/leases/renew"))

	old, err := p.Get(t.Context(), databaseApp)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(time.Hour), old.Expires, time.Minute)
	fresh, err := p.Get(t.Context(), databaseApp.Fresh())
	require.NoError(t, err)
	assert.False(t, fresh.Value.Equal(old.Value), "a fresh read creates another user")
	require.NoError(t, l.connect(t.Context(), old), "the first user is not revoked")
	same, err := p.Get(t.Context(), databaseApp.NewerThan(old))
	require.NoError(t, err)
	assert.True(t, same.Value.Equal(fresh.Value))

	for _, name := range []string{"sys/mounts", "auth/token/lookup-self", "kv/data/db", "database/../kv/data/db", "/database/creds/app"} {
		_, err := p.Get(t.Context(), hush.Name(name))
		assert.Contains(t, []hush.Class{hush.ErrDenied, hush.ErrNotFound}, hush.ClassOf(err), "%s: %v", name, err)
	}
	assertFails(t, p, hush.Name("database/creds/other"), hush.ErrRefused)
	assertFails(t, p, hush.Ref{Name: databaseApp.Name, Version: "1"}, hush.ErrUnsupported)
	require.NoError(t, reader.Close())
	require.NoError(t, l.connect(t.Context(), fresh), "without RevokeOnClose, Close revokes no lease")
}

func TestVaultCloseRevokesLeases(t *testing.T) {
	t.Parallel()
	l := startLeaseStore(t, time.Hour, 2*time.Hour)
	reader := l.reader(t, vault.ReaderOptions{RevokeOnClose: true})
	secrets := map[string]hush.Secret{}
	for name, ref := range map[string]hush.Ref{"first": databaseApp, "second": databaseApp.Fresh()} {
		secret, err := reader.Get(t.Context(), ref)
		require.NoError(t, err)
		require.NoError(t, l.connect(t.Context(), secret))
		secrets[name] = secret
	}
	require.NoError(t, reader.Close())
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		assert.Error(t, l.connect(t.Context(), secrets[name]), "the %s user", name)
	}
	assertFails(t, reader, databaseApp, hush.ErrUnavailable, "closed")
	require.NoError(t, reader.Close())
}

// TestVaultUseReplacesRevokedLease revokes a lease or its token. The database then rejects the
// user, and the program requests a newer secret.
func TestVaultUseReplacesRevokedLease(t *testing.T) {
	t.Parallel()
	l := startLeaseStore(t, time.Hour, 2*time.Hour)
	reader := l.reader(t, vault.ReaderOptions{})
	t.Cleanup(func() { assert.NoError(t, reader.Close()) })
	for name, revoke := range map[string]func(){
		"lease": func() { l.RevokeLeases("database/creds") },
		"token": func() { l.RevokeLogins("approle") },
	} {
		secret, err := reader.Get(t.Context(), databaseApp)
		require.NoError(t, err, name)
		require.NoError(t, l.connect(t.Context(), secret), name)
		revoke()
		eventually(t, "the database rejects the user", func() bool { return l.connect(t.Context(), secret) != nil })
		attempts := 0
		err = hush.Use(t.Context(), reader, databaseApp, func(secret hush.Secret) error {
			attempts++
			if err := l.connect(t.Context(), secret); err != nil {
				return fmt.Errorf("%w: %w", hush.ErrRejected, err)
			}
			return nil
		})
		require.NoError(t, err, name)
		assert.Equal(t, 2, attempts, name)
	}
}

// TestVaultCacheRespectsLeaseExpiry has a cache whose TTL is longer than the lease.
func TestVaultCacheRespectsLeaseExpiry(t *testing.T) {
	t.Parallel()
	l := startLeaseStore(t, 2*time.Second, 2*time.Second)
	reader := l.reader(t, vault.ReaderOptions{})
	cache := cachettl.New(reader, time.Hour, &cachettl.Options{StaleIfError: time.Hour})
	t.Cleanup(func() {
		assert.NoError(t, cache.Close())
		assert.NoError(t, reader.Close())
	})
	seen := newLeases()
	load := startReaders(t, 4, func(ctx context.Context) error { return l.use(ctx, cache, seen) })
	eventually(t, "the third user", func() bool { return seen.count() >= 3 })
	assert.Empty(t, load.failed())
}
