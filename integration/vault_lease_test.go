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

// A databaseLogin is the data of a database lease.
type databaseLogin struct {
	Username string
	Password hush.Value
}

// A leasing is a store whose database engine makes users of a PostgreSQL.
type leasing struct {
	*store
	db *pg.Server
}

// startLeasing starts both, with a role app.
func startLeasing(t *testing.T, ttl, most time.Duration) *leasing {
	t.Helper()
	l := &leasing{store: startVault(t, vaultserver.Login{}), db: startPostgres(t)}
	l.MountDatabase("database", l.db)
	l.DatabaseRole("database", "app", ttl, most)
	l.Policy("reader", `
		path "database/creds/*" { capabilities = ["read"] }
		path "sys/leases/*" { capabilities = ["update"] }`)
	return l
}

func (l *leasing) reader(t *testing.T, opts vault.ReaderOptions) *vault.Reader {
	t.Helper()
	opts.Mounts, opts.Auth = []string{"database"}, l.appRole()
	return vault.NewReader(l.newClient(t), &opts)
}

var databaseApp = hush.Name("database/creds/app")

// logsIn sees whether secret opens a connection.
func (l *leasing) logsIn(ctx context.Context, secret hush.Secret) error {
	var login databaseLogin
	if err := secret.Decode(&login); err != nil {
		return err
	}
	config := postgres(l.db.Host, strconv.Itoa(l.db.Port), pg.AdminDatabase)
	config.User, config.Password = login.Username, login.Password.Reveal()
	return try(ctx, config)
}

// leases are what readers were given.
type leases struct {
	mu      sync.Mutex
	users   []string // in order
	last    hush.Secret
	renewed map[string]int // by user
	first   map[string]time.Time
}

// note takes in a secret that was asked for at began, and says what is wrong with
// it.
func (l *leases) note(secret hush.Secret, began time.Time) error {
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
		return nil // of a read that began before the last one was there
	case !secret.Value.Equal(l.last.Value) || secret.Version != l.last.Version:
		return errors.New("one user, two secrets")
	case secret.Expires.After(l.last.Expires):
		l.renewed[name]++
	}
	if began.After(secret.Expires) {
		return fmt.Errorf("given out %v past its end", began.Sub(secret.Expires))
	}
	l.last = secret
	return nil
}

func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.users)
}

// oldest returns the user that was used for longest, until there was another.
func (l *leases) oldest() (name string, lived time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, user := range l.users[:max(0, len(l.users)-1)] {
		if d := l.first[l.users[i+1]].Sub(l.first[user]); d > lived {
			name, lived = user, d
		}
	}
	return name, lived
}

// uses opens a connection with what p gives out. That it fails is a fault unless the
// machine took until the end of the lease for it.
func (l *leasing) uses(ctx context.Context, p hush.Provider, seen *leases) error {
	pause(ctx, 20*time.Millisecond)
	began := time.Now()
	secret, err := p.Get(ctx, databaseApp)
	if err != nil {
		return err
	}
	if err := l.logsIn(ctx, secret); err != nil && time.Now().Before(secret.Expires) {
		return fmt.Errorf("%v before its end: %w", time.Until(secret.Expires), err)
	}
	return seen.note(secret, began)
}

// TestVaultLeases has 32 readers of a database role whose users live for 3 s, and
// by renewal for 6 s: of each user the readers use what is renewed, each of them
// opens connections for as long as it is given out, and there is one for all.
func TestVaultLeases(t *testing.T) {
	t.Parallel()
	const ttl, most = 3 * time.Second, 6 * time.Second
	l := startLeasing(t, ttl, most)
	reader := l.reader(t, vault.ReaderOptions{})
	p := l.watched(t, reader)
	seen := &leases{renewed: map[string]int{}, first: map[string]time.Time{}}
	load := startReaders(t, 31, func(ctx context.Context) error {
		pause(ctx, 5*time.Millisecond)
		began := time.Now()
		secret, err := p.Get(ctx, databaseApp)
		if err != nil {
			return err
		}
		return seen.note(secret, began)
	})
	user := startReaders(t, 1, func(ctx context.Context) error { return l.uses(ctx, p, seen) })
	eventually(t, "a user that lived for as long as one can, and two more", func() bool {
		_, lived := seen.oldest()
		return lived > most-ttl && seen.count() >= 3
	})
	assert.Empty(t, load.failed())
	assert.Empty(t, user.failed())
	require.NoError(t, reader.Close())

	assert.Equal(t, seen.count(), l.Calls("/v1/database/creds/app"), "no lease but those that were used")
	name, lived := seen.oldest()
	assert.GreaterOrEqual(t, seen.renewed[name], 2)
	assert.Less(t, lived, most+slack)
	t.Logf("%d users, one of them used for %v and renewed %d times; %d reads, %d connections, %d calls to renew",
		seen.count(), lived.Round(time.Millisecond), seen.renewed[name], load.total()+user.total(), user.total(), l.Calls("/v1/sys/leases/renew"))
}

// TestVaultLeaseUntouched: before two thirds of its time a lease is not asked about.
func TestVaultLeaseUntouched(t *testing.T) {
	t.Parallel()
	l := startLeasing(t, time.Hour, 2*time.Hour)
	reader := l.reader(t, vault.ReaderOptions{})
	p := l.watched(t, reader)
	load := startReaders(t, 32, func(ctx context.Context) error {
		_, err := p.Get(ctx, databaseApp)
		return err
	})
	load.await(t)
	assert.Empty(t, load.failed())
	assert.Equal(t, 1, l.Calls("/v1/database/creds/app"))
	assert.Zero(t, l.Calls("/v1/sys/leases/renew"))

	old, err := p.Get(t.Context(), databaseApp)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(time.Hour), old.Expires, time.Minute)
	fresh, err := p.Get(t.Context(), databaseApp.Fresh())
	require.NoError(t, err)
	assert.False(t, fresh.Value.Equal(old.Value), "asked for a fresh one, Vault makes another user")
	require.NoError(t, l.logsIn(t.Context(), old), "and the one that others use lives on")
	same, err := p.Get(t.Context(), databaseApp.NewerThan(old))
	require.NoError(t, err)
	assert.True(t, same.Value.Equal(fresh.Value))

	for _, name := range []string{"sys/mounts", "auth/token/lookup-self", "kv/data/db", "database/../kv/data/db", "/database/creds/app"} {
		_, err := p.Get(t.Context(), hush.Name(name))
		assert.Contains(t, []hush.Class{hush.ErrDenied, hush.ErrNotFound}, hush.ClassOf(err), "%s: %v", name, err)
	}
	fails(t, p, hush.Name("database/creds/other"), hush.ErrRefused)
	fails(t, p, hush.Ref{Name: databaseApp.Name, Version: "1"}, hush.ErrUnsupported)
	require.NoError(t, reader.Close())
	require.NoError(t, l.logsIn(t.Context(), fresh), "Close revokes nothing if it is not told to")
}

func TestVaultCloseRevokes(t *testing.T) {
	t.Parallel()
	l := startLeasing(t, time.Hour, 2*time.Hour)
	reader := l.reader(t, vault.ReaderOptions{RevokeOnClose: true})
	given := map[string]hush.Secret{}
	for name, ref := range map[string]hush.Ref{"first": databaseApp, "second": databaseApp.Fresh()} {
		secret, err := reader.Get(t.Context(), ref)
		require.NoError(t, err)
		require.NoError(t, l.logsIn(t.Context(), secret))
		given[name] = secret
	}
	require.NoError(t, reader.Close())
	for _, name := range slices.Sorted(maps.Keys(given)) {
		assert.Error(t, l.logsIn(t.Context(), given[name]), "the %s one", name)
	}
	fails(t, reader, databaseApp, hush.ErrUnavailable, "closed")
	require.NoError(t, reader.Close())
}

// TestVaultLeaseRevoked revokes a lease, or its token. The database then rejects the user, and
// the program requests a newer secret.
func TestVaultLeaseRevoked(t *testing.T) {
	t.Parallel()
	l := startLeasing(t, time.Hour, 2*time.Hour)
	reader := l.reader(t, vault.ReaderOptions{})
	t.Cleanup(func() { assert.NoError(t, reader.Close()) })
	for name, revoke := range map[string]func(){
		"lease": func() { l.RevokeLeases("database/creds") },
		"token": func() { l.RevokeLogins("approle") },
	} {
		secret, err := reader.Get(t.Context(), databaseApp)
		require.NoError(t, err, name)
		require.NoError(t, l.logsIn(t.Context(), secret), name)
		revoke()
		eventually(t, "the user is gone", func() bool { return l.logsIn(t.Context(), secret) != nil })
		tries := 0
		err = hush.Use(t.Context(), reader, databaseApp, func(secret hush.Secret) error {
			tries++
			if err := l.logsIn(t.Context(), secret); err != nil {
				return fmt.Errorf("%w: %w", hush.ErrRejected, err)
			}
			return nil
		})
		require.NoError(t, err, name)
		assert.Equal(t, 2, tries, name)
	}
}

// TestVaultLeaseBehindCache: a cache keeps no secret past its lease, however long
// its TTL is.
func TestVaultLeaseBehindCache(t *testing.T) {
	t.Parallel()
	l := startLeasing(t, 2*time.Second, 2*time.Second)
	reader := l.reader(t, vault.ReaderOptions{})
	cache := cachettl.New(reader, time.Hour, &cachettl.Options{StaleIfError: time.Hour})
	t.Cleanup(func() {
		assert.NoError(t, cache.Close())
		assert.NoError(t, reader.Close())
	})
	seen := &leases{renewed: map[string]int{}, first: map[string]time.Time{}}
	load := startReaders(t, 4, func(ctx context.Context) error { return l.uses(ctx, cache, seen) })
	eventually(t, "the third user", func() bool { return seen.count() >= 3 })
	assert.Empty(t, load.failed())
}
