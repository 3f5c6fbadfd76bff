package vault_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestConcurrentReadsShareALease(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	l.server.Latency(vaulttest.Read, 20*time.Millisecond)
	last := l.requireOneSecret(t, creds)
	for i := range 5 {
		next := l.requireOneSecret(t, creds.NewerThan(last))
		assert.NotEqual(t, last.Version, next.Version)
		assert.Equal(t, i+2, l.server.Counts().LeasesIssued)
		last = next
	}
	l.Advance(time.Hour)
	l.requireOneSecret(t, creds)
	assert.Equal(t, 7, l.server.Counts().LeasesIssued)
}

func TestFreshReadRequestsANewLease(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	one := l.requireGet(t, creds)
	two := l.requireGet(t, creds.Fresh())
	assert.NotEqual(t, one.Version, two.Version)
	assert.Equal(t, two.Version, l.requireGet(t, creds).Version)
	assert.Equal(t, two.Version, l.requireGet(t, creds.NewerThan(one)).Version, "the current lease is another one")
	assert.Equal(t, 2, l.server.Counts().LeasesIssued)
	assert.True(t, l.lives(one), "other callers may still use it")

	field := creds
	field.Field = "n"
	part := l.requireGet(t, field)
	assert.Equal(t, "3", l.requireGet(t, field.NewerThan(part)).Value.Reveal(), "the field is that of the current secret")
	nameless := part
	nameless.Version = ""
	assert.Equal(t, "3", l.requireGet(t, field.NewerThan(nameless)).Value.Reveal(), "the value differs")
	nameless.Value = hush.NewValue([]byte("3"))
	assert.Equal(t, "4", l.requireGet(t, field.NewerThan(nameless)).Value.Reveal())

	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: 500, Times: 1})
	l.requireFailure(t, creds.Fresh(), hush.ErrUnavailable)
	l.requireGet(t, creds)
	assert.Equal(t, 4, l.server.Counts().LeasesIssued, "the current secret is not lost")
}

// A watched context reports that a caller waits for its end.
type watched struct {
	context.Context
	once    *sync.Once
	waiting chan struct{}
}

func watch(ctx context.Context) watched { return watched{ctx, &sync.Once{}, make(chan struct{})} }

func (w watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waiting) })
	return w.Context.Done()
}

// A fresh read does not accept the result of a renewal that started before it.
func TestFreshReadDuringARenewal(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{Timeout: -1})
	first := l.requireGet(t, creds)
	l.Advance(41 * time.Minute)
	release := l.server.Hang(vaulttest.RenewLease)
	var wg sync.WaitGroup
	wg.Go(func() { l.requireGet(t, creds) })
	l.waitForCalls(t, vaulttest.RenewLease, 1)
	for _, ref := range []hush.Ref{creds.Fresh(), creds.NewerThan(first)} {
		ctx := watch(t.Context())
		wg.Go(func() {
			secret, err := l.Get(ctx, ref)
			assert.NoError(t, err)
			assert.NotEqual(t, first.Version, secret.Version)
		})
		<-ctx.waiting
	}
	release()
	wg.Wait()
	assert.Equal(t, 1, l.server.Counts().LeasesRenewed)
	assert.LessOrEqual(t, l.server.Counts().LeasesIssued, 3)
}

func TestSecretWithoutALeaseIsNotKept(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{NoLease: true}, vault.ReaderOptions{Timeout: -1})
	for i, ref := range []hush.Ref{creds, creds, creds.Fresh(), creds.NewerThan(hush.Secret{})} {
		secret, err := l.Get(t.Context(), ref)
		require.NoError(t, err)
		assert.Contains(t, secret.Value.Reveal(), `"n":`+string(rune('1'+i)))
		assert.True(t, secret.Expires.IsZero() && secret.Created.IsZero() && secret.Version == "", "%+v", secret)
	}

	release := l.server.Hang(vaulttest.Read)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = l.Get(t.Context(), creds) })
	l.waitForCalls(t, vaulttest.Read, 5)
	ctx := watch(t.Context())
	wg.Go(func() {
		secret, err := l.Get(ctx, creds.Fresh())
		assert.NoError(t, err)
		assert.Contains(t, secret.Value.Reveal(), `"n":6`, "not the result of the earlier request")
	})
	<-ctx.waiting
	release()
	wg.Wait()
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusOK, Body: []byte(`{"lease_id":"database/creds/app/x","lease_duration":0,"data":{"n":"odd"}}`), Times: 1})
	secret, err := l.Get(t.Context(), creds)
	require.NoError(t, err)
	assert.True(t, secret.Expires.IsZero())
	l.Advance(time.Second)
	secret, err = l.Get(t.Context(), creds)
	require.NoError(t, err)
	assert.Contains(t, secret.Value.Reveal(), `"n":7`)
}

func TestPathThatStopsLeasing(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
	l.requireGet(t, creds)
	l.server.RevokeLease(l.server.Leases()[0].ID)
	l.server.LeaseRole("database", "app", &vaulttest.LeaseOptions{NoLease: true})
	l.Advance(41 * time.Minute)
	for range 3 {
		secret, err := l.Get(t.Context(), creds)
		require.NoError(t, err)
		assert.Empty(t, secret.Version)
	}
	assert.Equal(t, 1, l.calls(vaulttest.RenewLease))
}

// A flight that a freeze interrupts hangs on a dead connection.
func TestLeaseRequestThatAFreezeInterrupted(t *testing.T) {
	for kind, passed := range map[vaulttest.Operation]time.Duration{vaulttest.Read: 0, vaulttest.RenewLease: 41 * time.Minute} {
		l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
		if passed > 0 {
			l.requireGet(t, creds)
			l.Advance(passed)
		}
		release := l.server.Hang(kind)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = l.Get(t.Context(), creds) })
		l.waitForCalls(t, kind, 1)
		l.Move(10*time.Minute, 0)
		wg.Go(func() { l.requireGet(t, creds) })
		l.waitForCalls(t, kind, 2)
		release()
		wg.Wait()
		l.requireGet(t, creds)
		assert.Equal(t, 1, l.server.Counts().LeasesIssued, "the result of the second is kept")
	}
}

// The refused renewal does not decide the class of the new request.
func TestTimeoutAfterARefusedRenewalOfALease(t *testing.T) {
	t.Parallel()
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{Timeout: 2 * time.Second})
	first := l.requireGet(t, creds)
	l.Advance(41 * time.Minute)
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.RenewLease, Status: http.StatusForbidden})
	defer l.server.Hang(vaulttest.Read)()
	var wg sync.WaitGroup
	wg.Go(func() {
		secret, err := l.Get(t.Context(), creds)
		assert.NoError(t, err)
		assert.True(t, first.Equal(secret))
	})
	l.waitForCalls(t, vaulttest.Read, 2)
	l.requireFailure(t, creds.NewerThan(first), hush.ErrUnavailable)
	wg.Wait()
}
