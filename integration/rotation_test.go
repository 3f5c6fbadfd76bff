// Package integration_test runs hush with a real Vault and a real PostgreSQL. The tests of
// the root module use fake servers. The package is a separate module because its dependencies
// must not be dependencies of hush.
package integration_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush/integration/internal/pg"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, vaultserver.Leftovers()...) }

const (
	rotations = 20
	workers   = 32
)

// A scheme is one of AWS's two rotation strategies with the settings of each cache.
type scheme struct {
	name      string
	users     int
	extension time.Duration // TTL of the cache of the extension
	cache     time.Duration // TTL of the cache of the program

	minRefresh time.Duration // of the cache of the program
	stages     []string      // stages to try after a rejected login
}

var (
	// The TTLs are the default of AWS's extension and longer than all rotations. The program
	// notices a rotation only by a rejected login.
	oneUser = scheme{name: "one user", users: 1, extension: 5 * time.Minute, cache: 5 * time.Minute}

	// After the short TTL, each read returns the extension's copy. The copy is older than the
	// secret that the program read after a rejected login, and the program must detect this.
	oneUserShort = scheme{name: "one user, the extension has an old copy", users: 1, extension: 5 * time.Minute, cache: 250 * time.Millisecond}

	// A short MinRefresh costs reads of the store and shortens the wait of a rejected login.
	oneUserEager = scheme{name: "one user, MinRefresh of 100ms", users: 1, extension: 5 * time.Minute, cache: 5 * time.Minute, minRefresh: 100 * time.Millisecond}

	// The new password can be read before the database takes it, so no login waits for
	// AWSCURRENT. Until AWSCURRENT moves, each login is rejected once and reads the store.
	oneUserPending = scheme{name: "one user, AWSPENDING tried", users: 1, extension: 5 * time.Minute, cache: 5 * time.Minute, stages: []string{"AWSPENDING"}}

	// No login is rejected. The program reads the new secret after the two TTLs.
	twoUsers = scheme{name: "two users", users: 2, extension: 500 * time.Millisecond, cache: 250 * time.Millisecond}

	// No TTL ends between rotations. The second rotation after a login changes the password
	// that the program uses.
	twoUsersLate = scheme{name: "two users, long TTLs", users: 2, extension: 5 * time.Minute, cache: 5 * time.Minute}
)

var gaps = []time.Duration{0, 500 * time.Millisecond, 2 * time.Second}

// TestRotation rotates the password of a PostgreSQL role while a connection pool logs in with
// it. No query may fail. `go test -v -run TestRotation .` prints the figures.
func TestRotation(t *testing.T) {
	server := startPostgres(t)
	for _, s := range []scheme{oneUser, twoUsers} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, gap := range gaps {
				t.Run(fmt.Sprintf("gap of %v", gap), func(t *testing.T) { rotateUnderLoad(t, server, s, gap) })
			}
		})
	}
	t.Run("options", func(t *testing.T) {
		t.Parallel()
		t.Run(oneUserShort.name, func(t *testing.T) { rotateUnderLoad(t, server, oneUserShort, 0) })
		t.Run(oneUserEager.name, func(t *testing.T) { rotateUnderLoad(t, server, oneUserEager, 0) })
		t.Run(oneUserPending.name, func(t *testing.T) { rotateUnderLoad(t, server, oneUserPending, 500*time.Millisecond) })
		t.Run(twoUsersLate.name, func(t *testing.T) { rotateLate(t, server, twoUsersLate) })
	})
}

// rotateUnderLoad starts each rotation when the cache has the version of the previous one and
// every worker has connected with it.
func rotateUnderLoad(t *testing.T, server *pg.Server, s scheme, gap time.Duration) {
	p := newProgram(t, server, s)
	p.load.awaitVersion(t, 0, time.Time{})
	for n := 1; n <= rotations; n++ {
		p.rotator.rotate(t, n, func(changed time.Time) { pause(t.Context(), time.Until(changed.Add(gap))) })
		p.awaitOnRotate(t, n)
		p.load.awaitVersion(t, n, time.Now())
	}
	p.load.stop()
	p.assertNoFailure(t)
	assert.Equal(t, upTo(rotations), p.rotated(), "OnRotate once for each rotation")
}

// rotateLate moves AWSCURRENT when every worker was rejected with a password that is two
// versions old and has connected with the current one.
func rotateLate(t *testing.T, server *pg.Server, s scheme) {
	p := newProgram(t, server, s)
	p.load.awaitVersion(t, 0, time.Time{})
	for n := 1; n <= rotations; n++ {
		p.rotator.rotate(t, n, func(time.Time) { p.load.awaitVersion(t, n-1, time.Time{}) })
	}
	p.load.stop()
	p.assertNoFailure(t)
	assert.Equal(t, upTo(rotations-1), p.rotated(), "OnRotate once for each rotation except the last, which rejected no login")
	assert.Positive(t, p.connector.rejected.Load())
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// assertNoFailure prints the figures and asserts that no query failed.
func (p *program) assertNoFailure(t *testing.T) {
	t.Helper()
	r := p.load.results()
	t.Logf("%d rotations, %d queries, %d connections, %d rejected logins, longest query %v, longest gap %v, %d reads of the store, %d of the extension",
		p.rotator.done, r.queries, p.connector.opened.Load(), p.connector.rejected.Load(), r.longest.Round(time.Millisecond),
		p.rotator.longest.Round(time.Millisecond), p.storeReads(), p.extensionReads.Load())
	assert.Empty(t, r.errors, "a query failed, or a worker connected with an older version than before")
	assert.GreaterOrEqual(t, r.queries, rotations*workers, "each worker connected after each rotation")
	assert.GreaterOrEqual(t, p.connector.opened.Load(), int64(r.queries), "a connection for each query")
}

func startPostgres(t *testing.T) *pg.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := pg.Start(ctx)
	require.NoError(t, err, "this test needs PostgreSQL")
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	return server
}

// pause waits for d or the end of ctx. The pause is a part of the scenario.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// rotated returns the versions of the calls of OnRotate.
func (p *program) rotated() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.onRotate)
}

// awaitOnRotate waits for the call of OnRotate for the n-th rotation.
func (p *program) awaitOnRotate(t *testing.T, n int) {
	t.Helper()
	timeout := time.After(time.Minute)
	for !slices.Contains(p.rotated(), n) {
		select {
		case <-p.rotation:
		case <-timeout:
			require.Fail(t, "timeout", "no OnRotate for version %d: %v, %+v", n, p.rotated(), p.load.results())
		}
	}
}
