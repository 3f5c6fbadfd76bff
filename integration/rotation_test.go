// Package integration_test runs hush against real servers, where the tests of the root module
// have servers of their own. It is a module of its own, so that its dependencies are not
// dependencies of hush.
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

// A scheme is one of AWS's two strategies, and how long each layer may hold a
// secret meanwhile.
type scheme struct {
	name      string
	users     int
	extension time.Duration // TTL of the extension's own cache
	cache     time.Duration // TTL of the program's

	minRefresh time.Duration // of the program's
	stages     []string      // that a refused login tries
}

var (
	// The secret is held for as long as AWS's extension holds one by default, and
	// so longer than all rotations take. What tells of them is the refusal alone.
	oneUser = scheme{name: "one user", users: 1, extension: 5 * time.Minute, cache: 5 * time.Minute}

	// Each plain read past the program's short TTL brings the extension's copy,
	// which is older than what the refusals brought, and must be found out.
	oneUserShort = scheme{name: "one user, an old copy at each turn", users: 1, extension: 5 * time.Minute, cache: 250 * time.Millisecond}

	// What the cache saves the store is time that a refused login waits.
	oneUserEager = scheme{name: "one user, MinRefresh of 100ms", users: 1, extension: 5 * time.Minute, cache: 5 * time.Minute, minRefresh: 100 * time.Millisecond}

	// The new password can be read before the database takes it, so no login waits for
	// AWSCURRENT. Until AWSCURRENT moves, each login is rejected once and reads the store.
	oneUserPending = scheme{name: "one user, AWSPENDING tried", users: 1, extension: 5 * time.Minute, cache: 5 * time.Minute, stages: []string{"AWSPENDING"}}

	// Nothing is ever refused, and everyone moves on as the two TTLs end.
	twoUsers = scheme{name: "two users", users: 2, extension: 500 * time.Millisecond, cache: 250 * time.Millisecond}

	// No TTL ends between rotations. The second rotation after a login changes the
	// password that the program has.
	twoUsersLate = scheme{name: "two users, long TTLs", users: 2, extension: 5 * time.Minute, cache: 5 * time.Minute}
)

var gaps = []time.Duration{0, 500 * time.Millisecond, 2 * time.Second}

// TestRotation rotates the password of a PostgreSQL role while a pool logs in with
// it, and allows no query to fail. `go test -v -run TestRotation .` prints the
// figures.
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

// rotateUnderLoad begins a rotation when the cache has the version of the one
// before, and every worker has connected with that since.
func rotateUnderLoad(t *testing.T, server *pg.Server, s scheme, gap time.Duration) {
	p := newProgram(t, server, s)
	p.load.await(t, 0, time.Time{})
	for n := 1; n <= rotations; n++ {
		p.rotator.rotate(t, n, func(changed time.Time) { pause(t.Context(), time.Until(changed.Add(gap))) })
		p.awaitOnRotate(t, n)
		p.load.await(t, n, time.Now())
	}
	p.load.stop()
	p.report(t)
	assert.Equal(t, upTo(rotations), p.rotated(), "OnRotate once for each rotation")
}

// rotateLate moves AWSCURRENT when all have been refused what they held, which is
// two versions older, and have what AWSCURRENT still is.
func rotateLate(t *testing.T, server *pg.Server, s scheme) {
	p := newProgram(t, server, s)
	p.load.await(t, 0, time.Time{})
	for n := 1; n <= rotations; n++ {
		p.rotator.rotate(t, n, func(time.Time) { p.load.await(t, n-1, time.Time{}) })
	}
	p.load.stop()
	p.report(t)
	assert.Equal(t, upTo(rotations-1), p.rotated(), "OnRotate once for each rotation but the last, of which nobody had to hear")
	assert.Positive(t, p.login.rejected.Load())
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// report prints the figures and checks that nothing went wrong.
func (p *program) report(t *testing.T) {
	t.Helper()
	r := p.load.results()
	t.Logf("%d rotations, %d queries, %d connections, %d refused logins, longest wait %v, longest gap %v, %d reads of the store, %d of the extension",
		p.rotator.done, r.queries, p.login.opened.Load(), p.login.rejected.Load(), r.longest.Round(time.Millisecond),
		p.rotator.longest.Round(time.Millisecond), p.storeReads(), p.extensionReads.Load())
	assert.Empty(t, r.faults, "a query failed, or a connection was made with an older version than the one before")
	assert.GreaterOrEqual(t, r.queries, rotations*workers, "each worker connected after each rotation")
	assert.GreaterOrEqual(t, p.login.opened.Load(), int64(r.queries), "a connection for each query")
}

func startPostgres(t *testing.T) *pg.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := pg.Start(ctx)
	require.NoError(t, err, "these tests need PostgreSQL")
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	return server
}

// pause waits, for a gap that is part of what is tested.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// rotated returns the versions that OnRotate was called with.
func (p *program) rotated() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.onRotate)
}

// awaitOnRotate returns when OnRotate was called for the n-th rotation.
func (p *program) awaitOnRotate(t *testing.T, n int) {
	t.Helper()
	late := time.After(time.Minute)
	for !slices.Contains(p.rotated(), n) {
		select {
		case <-p.rotation:
		case <-late:
			require.Fail(t, "no OnRotate", "for version %d: %v, %+v", n, p.rotated(), p.load.results())
		}
	}
}
