package vault_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

var creds = hush.Name("database/creds/app")

const leaseCanary = "canary-lease"

// A leased is a Reader of the mount "database" of a server, and their clock.
type leased struct {
	*vault.Reader
	*clocktest.Clock
	server *vaulttest.Server
}

// newLeased has a role app with these options. The secrets are numbered.
func newLeased(t *testing.T, role vaulttest.LeaseOptions, opts vault.ReaderOptions) leased {
	t.Helper()
	h := clocktest.New()
	server, err := vaulttest.Start(&vaulttest.Options{Now: h.Time})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Mount("database", vaulttest.Database)
	role.Data = func(n int) map[string]any { return map[string]any{"n": n, "password": leaseCanary} }
	server.LeaseRole("database", "app", &role)
	if opts.Timeout == 0 {
		opts.Timeout = 20 * time.Second
	}
	opts.Mounts = []string{"database"}
	l := leased{vault.NewReader(server.Client(), &opts), h, server}
	l.SetClock(h.Now)
	return l
}

// logsIn makes l log in by AppRole. Its tokens have these options.
func (l leased) logsIn(opts *vaulttest.TokenOptions) leased {
	roleID, secretID := l.server.AppRole("approle", "app", opts)
	l.Reader = vault.NewReader(l.server.Client(), &vault.ReaderOptions{
		Mounts: []string{"database"}, Timeout: 20 * time.Second,
		Auth: auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(secretID)))}),
	})
	l.SetClock(l.Now)
	return l
}

// requireGet requires a secret for ref whose lease has not expired.
func (l leased) requireGet(t *testing.T, ref hush.Ref) hush.Secret {
	t.Helper()
	secret, err := l.Get(t.Context(), ref)
	require.NoError(t, err)
	assert.True(t, l.lives(secret), "version %s has ended", secret.Version)
	return secret
}

func (l leased) lives(secret hush.Secret) bool {
	for _, held := range l.server.Leases() {
		if held.ID == creds.Name+"/"+secret.Version {
			return true
		}
	}
	return false
}

func (l leased) requireFailure(t *testing.T, ref hush.Ref, class hush.Class) error {
	t.Helper()
	_, err := l.Get(t.Context(), ref)
	require.Error(t, err)
	assert.Equal(t, class, hush.ClassOf(err), "%v", err)
	assert.Empty(t, providertest.Leaks(err, leaseCanary, l.server.RootToken()))
	return err
}

func (l leased) calls(kind vaulttest.Operation) int {
	return l.server.Calls(vaulttest.Call{Operation: kind})
}

// waitForCalls waits until the server has received that many requests of a kind.
func (l leased) waitForCalls(t *testing.T, kind vaulttest.Operation, calls int) {
	t.Helper()
	require.Eventually(t, func() bool { return l.calls(kind) >= calls }, 10*time.Second, time.Millisecond)
}

// requireOneSecret gets ref in 64 goroutines and requires the same secret for all.
func (l leased) requireOneSecret(t *testing.T, ref hush.Ref) hush.Secret {
	t.Helper()
	var wg sync.WaitGroup
	var secrets [64]hush.Secret
	for i := range secrets {
		wg.Go(func() {
			secret, err := l.Get(t.Context(), ref)
			assert.NoError(t, err)
			secrets[i] = secret
		})
	}
	wg.Wait()
	for i := range secrets {
		assert.True(t, secrets[0].Equal(secrets[i]), "%+v and %+v", secrets[0], secrets[i])
	}
	return secrets[0]
}

func TestLeasedSecretIsKept(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	assert.Zero(t, l.server.Calls(vaulttest.Call{}), "NewReader contacts nobody")
	first := l.requireGet(t, creds)
	assert.Equal(t, `{"n":1,"password":"canary-lease"}`, first.Value.Reveal())
	assert.Equal(t, l.Time(), first.Created)
	assert.Equal(t, l.Time().Add(time.Hour), first.Expires)
	assert.Equal(t, "vault", first.Source)
	for range 39 {
		l.Advance(time.Minute)
		assert.True(t, first.Equal(l.requireGet(t, creds)))
	}
	field := creds
	field.Field = "password"
	part := l.requireGet(t, field)
	assert.Equal(t, leaseCanary, part.Value.Reveal())
	assert.Equal(t, first.Expires, part.Expires)
	assert.Equal(t, 1, l.calls(vaulttest.Read))
	assert.Zero(t, l.calls(vaulttest.RenewLease))
}

// The Version is in logs and errors.
func TestVersionIsTheEndOfTheLeaseID(t *testing.T) {
	for id, want := range map[string]string{
		strings.Repeat("x", 1<<20): "the version in the response",
		`a\nb`:                     "the version in the response",
		"x":                        "",
	} {
		n := newNode(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"lease_id":"database/creds/app/`+id+`","lease_duration":60,"data":{"ttl":0}}`)
		})
		r := vault.NewReader(connect(t, n.URL), &vault.ReaderOptions{Mounts: []string{"database"}})
		secret, err := r.Get(t.Context(), creds)
		if want == "" {
			require.NoError(t, err)
			assert.Equal(t, id, secret.Version)
			continue
		}
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.ErrorContains(t, err, want)
		assert.Less(t, len(err.Error()), 500)
	}
}

func TestLeaseIsRenewedOnUse(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	first := l.requireGet(t, creds)
	for i := range 10 {
		l.Advance(41 * time.Minute)
		l.requireGet(t, creds)
		again := l.requireOneSecret(t, creds)
		assert.Equal(t, first.Version, again.Version)
		assert.True(t, first.Value.Equal(again.Value))
		assert.Equal(t, first.Created, again.Created)
		assert.Equal(t, l.Time().Add(time.Hour), again.Expires)
		assert.Equal(t, i+1, l.server.Counts().LeasesRenewed)
	}
	assert.Equal(t, 1, l.server.Counts().LeasesIssued)
}

func TestLeaseAtItsMaximumTTLIsReplaced(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour, MaxTTL: 90 * time.Minute}, vault.ReaderOptions{})
	for range 50 {
		l.requireGet(t, creds)
		l.Advance(2 * time.Minute)
	}
	assert.Equal(t, 2, l.server.Counts().LeasesIssued, "one within 90 minutes")
	assert.Equal(t, 2, l.calls(vaulttest.RenewLease), "the second renewal granted no more time and was the last")
}

func TestLeaseThatIsNotRenewableIsReplaced(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour, NotRenewable: true}, vault.ReaderOptions{})
	first := l.requireGet(t, creds)
	l.Advance(59 * time.Minute)
	assert.True(t, first.Equal(l.requireGet(t, creds)))
	l.Advance(31 * time.Second)
	next := l.requireGet(t, creds)
	assert.NotEqual(t, first.Version, next.Version, "shortly before the end")
	assert.True(t, l.lives(first), "the other leases expire")
	assert.Zero(t, l.calls(vaulttest.RenewLease))
}

func TestLeaseIsReplacedAfterARefusedRenewal(t *testing.T) {
	for name, refuse := range map[string]func(leased){
		"400":     func(l leased) { l.server.Fail(vaulttest.Failure{Operation: vaulttest.RenewLease, Status: 400}) },
		"403":     func(l leased) { l.server.Fail(vaulttest.Failure{Operation: vaulttest.RenewLease, Status: 403}) },
		"revoked": func(l leased) { l.server.RevokeLease(l.server.Leases()[0].ID) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
			first := l.requireGet(t, creds)
			refuse(l)
			l.Advance(41 * time.Minute)
			next := l.requireGet(t, creds)
			assert.NotEqual(t, first.Version, next.Version)
			assert.Equal(t, 2, l.server.Counts().LeasesIssued)
			assert.Equal(t, 1, l.calls(vaulttest.RenewLease))
		})
	}
}

// The renewal is retried each second.
func TestLeaseIsUsedUntilItsEndWithoutARenewal(t *testing.T) {
	for name, failure := range map[string]vaulttest.Failure{
		"500":     {Status: 500, Errors: []string{leaseCanary}},
		"429":     {Status: 429},
		"garbage": {Status: 200, Body: []byte(leaseCanary)},
		"no time": {Status: 200, Body: []byte(`{"lease_id":"x"}`)},
		"nothing": {Status: 204, Body: []byte{}},
		"dropped": {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
			first := l.requireGet(t, creds)
			l.Advance(41 * time.Minute)
			failure.Operation = vaulttest.RenewLease
			restore := l.server.Fail(failure)
			l.requireGet(t, creds)
			once := l.calls(vaulttest.RenewLease) // net/http repeats a request whose response is dropped
			for range 5 {
				assert.True(t, first.Equal(l.requireGet(t, creds)), "with the same end")
			}
			assert.Equal(t, once, l.calls(vaulttest.RenewLease), "not for each read")
			l.Advance(time.Second)
			assert.True(t, first.Equal(l.requireGet(t, creds)))
			assert.Greater(t, l.calls(vaulttest.RenewLease), once)
			restore()
			l.Advance(time.Second)
			assert.Equal(t, l.Time().Add(time.Hour), l.requireGet(t, creds).Expires)
			assert.Equal(t, 1, l.server.Counts().LeasesIssued)
		})
	}
}

func TestLeaseExpiresByEitherClock(t *testing.T) {
	const ttl = time.Hour
	for name, move := range map[string]struct{ wall, mono time.Duration }{
		"time":                                  {ttl, ttl},
		"frozen: the monotonic one stood still": {ttl, 0},
		"the wall clock was set back":           {-ttl, ttl},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeased(t, vaulttest.LeaseOptions{TTL: ttl}, vault.ReaderOptions{})
			first := l.requireGet(t, creds)
			restore := l.server.Break()
			l.Move(move.wall, move.mono)
			l.requireFailure(t, creds, hush.ErrUnavailable)
			restore()
			next, err := l.Get(t.Context(), creds)
			require.NoError(t, err)
			assert.NotEqual(t, first.Version, next.Version)
			assert.Zero(t, l.server.Counts().LeasesRenewed)
		})
	}
}

// A cache computes the remaining time from Expires, even if the wall clock was set back.
func TestExpiresAfterTheWallClockWasSetBack(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	first := l.requireGet(t, creds)
	l.Move(20*time.Minute-time.Millisecond, 20*time.Minute)
	assert.Equal(t, first.Expires, l.requireGet(t, creds).Expires, "the clocks differ slightly")
	l.Move(-3*time.Hour+time.Millisecond, 0)
	assert.Equal(t, l.Time().Add(40*time.Minute), l.requireGet(t, creds).Expires)
	l.Move(3*time.Hour+10*time.Minute, 0)
	assert.Equal(t, first.Expires, l.requireGet(t, creds).Expires, "the earlier end counts")
}
