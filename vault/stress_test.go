package vault_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// slack is the time that a busy machine may add to a timeout.
const slack = 3 * time.Second

// many calls fn in 64 goroutines until done is closed.
func many(done <-chan struct{}, fn func()) (wait func()) {
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					fn()
				}
			}
		})
	}
	return wg.Wait
}

// An outage has the times at which a server was killed and came back, and the number of
// stale secrets.
type outage struct {
	killed, back atomic.Pointer[time.Time]
	stale        atomic.Int64
}

// No read fails or exceeds its deadline. A secret past its TTL is marked Stale. After
// the outage, reads are fresh within the maximum backoff of the cache, 1 s.
func TestOutageBehindACache(t *testing.T) {
	t.Parallel()
	const ttl, deadline = 200 * time.Millisecond, 2 * time.Second
	l := logIn(t, nil)
	l.SetClock(clock.New())
	cache := cachettl.New(l.Provider, ttl, &cachettl.Options{StaleIfError: time.Hour})
	defer func() { assert.NoError(t, cache.Close()) }()
	var seen outage
	done := make(chan struct{})
	wait := many(done, func() {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		start := time.Now()
		killed := seen.killed.Load()
		secret, err := cache.Get(ctx, dbProd)
		assert.NoError(t, err)
		if secret.Stale {
			seen.stale.Add(1)
		}
		// Nothing was fetched after the server was killed.
		if killed != nil && start.Sub(*killed) > ttl && seen.back.Load() == nil {
			assert.True(t, secret.Stale, "%v after the last answer", start.Sub(*killed))
		}
		<-time.After(time.Millisecond)
	})
	_, err := cache.Get(t.Context(), dbProd)
	require.NoError(t, err)
	restore := l.server.Break()
	killed := time.Now()
	seen.killed.Store(&killed)
	<-time.After(3 * time.Second)
	l.server.Put("secret", dbProd.Name, map[string]any{"password": "two"})
	back := time.Now()
	seen.back.Store(&back)
	restore()
	require.Eventually(t, func() bool {
		secret, err := cache.Get(t.Context(), dbProd)
		return err == nil && !secret.Stale && secret.Version == "2"
	}, time.Second+slack, time.Millisecond)
	close(done)
	wait()
	assert.Positive(t, seen.stale.Load())
	assert.Equal(t, 1, l.logins())
}

// Each call ends within its timeout, with the right class.
func TestOutageWithoutACache(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	for name, kill := range map[string]func(*vaulttest.Server) func(){
		"killed": (*vaulttest.Server).Break,
		"hung":   func(s *vaulttest.Server) func() { return s.Hang("") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startVault(t)
			for ref, p := range readers(t, server, server.Client(), limit) {
				_, err := p.Get(t.Context(), ref)
				require.NoError(t, err)
				restore := kill(server)
				done := make(chan struct{})
				wait := many(done, func() {
					start := time.Now()
					_, err := p.Get(t.Context(), ref)
					assert.Less(t, time.Since(start), limit+slack)
					assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%v", err)
					assert.NotErrorIs(t, err, context.DeadlineExceeded)
					<-time.After(time.Millisecond)
				})
				<-time.After(time.Second)
				close(done)
				wait()
				restore()
				assert.Eventually(t, func() bool {
					_, err := p.Get(t.Context(), ref)
					return err == nil
				}, slack, time.Millisecond)
			}
		})
	}
}

// counted returns a client that counts its open connections.
func counted(t *testing.T, server *vaulttest.Server) (*api.Client, *atomic.Int64) {
	t.Helper()
	open := &atomic.Int64{}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Second, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &countedConn{Conn: conn, open: open}, nil
	}}
	client, err := api.NewClient(&api.Config{Address: server.URL(), HttpClient: &http.Client{Transport: transport}})
	require.NoError(t, err)
	return client, open
}

type countedConn struct {
	net.Conn
	once sync.Once
	open *atomic.Int64
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// The test reads 20,000 times while tokens are revoked and denied, leases expire, and
// the server is killed and comes back.
func TestNoGoroutinesOrMemoryLeak(t *testing.T) {
	const reads, chaosEvery, readers = 20_000, 500, 32
	known := goleak.IgnoreCurrent()
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	server.Put("secret", app, map[string]any{"password": kvCanary})
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", &vaulttest.LeaseOptions{TTL: time.Second})
	roleID, secretID := server.AppRole("approle", "app", &vaulttest.TokenOptions{TTL: 2 * time.Second, MaxTTL: 3 * time.Second})
	auth := auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(secretID)))})
	client, open := counted(t, server)
	p := vault.New(client, &vault.Options{Auth: auth})
	reader := vault.NewReader(client, &vault.ReaderOptions{Mounts: []string{"database"}, Auth: auth})

	var done, asked, failed atomic.Int64
	var chaos sync.Mutex
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			for range reads / readers {
				var err error
				switch i % 8 {
				case 0:
					_, err = reader.Get(t.Context(), creds.Fresh())
				case 1:
					_, err = reader.Get(t.Context(), creds)
				default:
					_, err = p.Get(t.Context(), hush.Name(app))
				}
				if err != nil {
					failed.Add(1)
					assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%v", err)
				}
				done.Add(1)
				if i%8 < 2 {
					continue // current leases are read from memory
				}
				if n := asked.Add(1); n%chaosEvery == 0 && chaos.TryLock() {
					wreak(server, n/chaosEvery)
					chaos.Unlock()
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d reads, %d failed during outages, %d logins, %d leases", done.Load(), failed.Load(), server.Counts().Logins, server.Counts().LeasesIssued)
	assert.EqualValues(t, reads, done.Load())
	_, err = p.Get(t.Context(), hush.Name(app))
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	assert.Eventually(t, func() bool { return open.Load() == 0 }, slack, time.Millisecond, "%d connections are open", open.Load())
	server.Close()
	goleak.VerifyNone(t, known)
}

// wreak causes another failure each turn. A read that meets two revocations is denied,
// so a harmless turn follows each revocation.
func wreak(server *vaulttest.Server, turn int64) {
	switch turn % 4 {
	case 0:
		server.RevokeLogins()
	case 1:
		restore := server.Break()
		<-time.After(20 * time.Millisecond)
		restore()
	case 2:
		server.RevokeAll()
	case 3:
		unseal := server.Seal()
		<-time.After(20 * time.Millisecond)
		unseal()
	}
}
