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
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestTokenIsReplacedBeforeItExpiresByEitherClock(t *testing.T) {
	const ttl = time.Hour
	for name, move := range map[string]struct{ wall, mono time.Duration }{
		"time":                                  {ttl, ttl},
		"frozen: the monotonic one stood still": {ttl, 0},
		"the wall clock was set back":           {-time.Hour, ttl},
	} {
		t.Run(name, func(t *testing.T) {
			l := logIn(t, &vaulttest.TokenOptions{TTL: ttl, NotRenewable: true})
			l.requireGet(t)
			const little = time.Minute // more than the 30 s before the end
			l.Move(max(move.wall-little, 0), max(move.mono-little, 0))
			l.requireGet(t)
			assert.Equal(t, 1, l.logins())
			l.Move(move.wall-max(move.wall-little, 0)-29*time.Second, move.mono-max(move.mono-little, 0)-29*time.Second)
			before := l.calls(vaulttest.Lookup)
			l.requireGet(t)
			assert.Equal(t, 2, l.logins())
			assert.Equal(t, before, l.calls(vaulttest.Lookup), "no read received a 403")
		})
	}
}

func TestTokenIsRenewedAfterTwoThirdsOfItsTTL(t *testing.T) {
	for name, opts := range map[string]*vaulttest.TokenOptions{
		"renewable": {TTL: time.Hour, MaxTTL: 1000 * time.Hour}, "periodic": {Period: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			l := logIn(t, opts)
			l.requireGet(t)
			l.Advance(39 * time.Minute)
			l.requireGet(t)
			assert.Zero(t, l.server.Counts().TokensRenewed)
			l.Advance(2 * time.Minute)
			for i := range 10 {
				l.requireGets(t, 2)
				assert.Equal(t, i+1, l.server.Counts().TokensRenewed)
				l.Advance(41 * time.Minute)
			}
			assert.Equal(t, 1, l.logins())
		})
	}
}

func TestTokenAtItsMaximumTTLIsReplaced(t *testing.T) {
	l := logIn(t, &vaulttest.TokenOptions{TTL: time.Hour, MaxTTL: 90 * time.Minute})
	l.requireGet(t)
	for range 50 {
		l.Advance(2 * time.Minute)
		l.requireGet(t)
	}
	assert.Equal(t, 2, l.logins(), "one within 90 minutes")
	assert.LessOrEqual(t, l.server.Counts().TokensRenewed, 5)
}

func TestOnlyOneReadWaitsForARenewal(t *testing.T) {
	l := logIn(t, &vaulttest.TokenOptions{TTL: time.Hour})
	l.requireGet(t)
	l.Advance(45 * time.Minute)
	release := l.server.Hang(vaulttest.Renew)
	var wg sync.WaitGroup
	wg.Go(func() { l.requireGet(t) })
	require.Eventually(t, func() bool { return l.calls(vaulttest.Renew) == 1 }, 10*time.Second, time.Millisecond)
	l.requireGets(t, 2)
	release()
	wg.Wait()
	assert.Equal(t, 1, l.server.Counts().TokensRenewed)
}

func TestFailedRenewalIsRetriedWithBackoff(t *testing.T) {
	l := logIn(t, &vaulttest.TokenOptions{TTL: time.Hour})
	l.requireGet(t)
	l.Advance(45 * time.Minute)
	restore := l.server.Fail(vaulttest.Failure{Operation: vaulttest.Renew, Status: 500, Errors: []string{"canary-session"}})
	for range 5 {
		l.requireGet(t)
	}
	assert.Equal(t, 1, l.calls(vaulttest.Renew), "not for each read")
	l.Advance(time.Second)
	l.requireGet(t)
	assert.Equal(t, 2, l.calls(vaulttest.Renew))
	l.Advance(time.Second)
	l.requireGet(t)
	assert.Equal(t, 2, l.calls(vaulttest.Renew), "with a growing backoff")
	restore()
	l.Advance(time.Second)
	l.requireGet(t)
	assert.Equal(t, 1, l.server.Counts().TokensRenewed)
	assert.Equal(t, 1, l.logins())
}

func TestRefusedRenewalTriggersALogin(t *testing.T) {
	l := logIn(t, &vaulttest.TokenOptions{TTL: time.Hour})
	l.requireGet(t)
	l.Advance(45 * time.Minute)
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Renew, Status: 400})
	l.requireGet(t)
	assert.Equal(t, 2, l.logins())
}

func TestRenewalWithoutMoreTimeIsTheLast(t *testing.T) {
	l := logIn(t, &vaulttest.TokenOptions{TTL: time.Hour})
	l.requireGet(t)
	l.Advance(45 * time.Minute)
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Renew, Status: 200, Body: []byte(`{"auth":{"client_token":"x","lease_duration":0,"renewable":true}}`)})
	for range 3 {
		l.requireGet(t)
	}
	assert.Equal(t, 1, l.calls(vaulttest.Renew))
	l.Advance(15 * time.Minute)
	l.requireGet(t)
	assert.Equal(t, 2, l.logins(), "the token still expires")
}

func TestOutageClearsARefusedLogin(t *testing.T) {
	l := logIn(t, nil)
	for _, status := range []int{400, 400, 400, 503} {
		l.server.Fail(vaulttest.Failure{Operation: vaulttest.Login, Status: status, Times: 1})
		_, _ = l.Get(t.Context(), dbProd)
		l.Advance(4 * time.Second)
	}
	restore := l.server.Break()
	l.requireFailure(t, dbProd.Name, hush.ErrUnavailable)
	restore()
	l.requireGet(t)
}

// The 403 is not final. In an outage, a cache may serve a stale secret.
func TestTimeoutOfALoginAfterADenialIsUnavailable(t *testing.T) {
	l := logIn(t, nil)
	l.requireGet(t)
	l.server.RevokeLogins()
	release := l.server.Hang(vaulttest.Login)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := l.Get(ctx, dbProd)
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err), "%v", err)
}

// A throttled login is throttled for the callers that wait for it.
func TestWaitingCallerGetsTheClassOfTheLogin(t *testing.T) {
	l := logIn(t, nil)
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Login, Status: 429, Times: 1})
	client := l.server.Client()
	client.SetMaxRetries(1)
	client.SetMinRetryWait(time.Minute)
	client.SetMaxRetryWait(time.Minute)
	p := vault.New(client, &vault.Options{KV: 2, Timeout: 300 * time.Millisecond, Auth: auth.AppRole("x", nil)})
	_, err := p.Get(t.Context(), dbProd)
	assert.Equal(t, hush.ErrThrottled, hush.ClassOf(err), "%v", err)
}

func TestRefusedLoginIsNotRepeatedByEachRead(t *testing.T) {
	l := logIn(t, nil)
	restore := l.server.Fail(vaulttest.Failure{Operation: vaulttest.Login, Status: 400, Errors: []string{"canary-session"}})
	wait := time.Second
	for i := range 7 {
		for range 3 {
			err := l.requireFailure(t, dbProd.Name, hush.ErrUnauthenticated)
			assert.ErrorContains(t, err, "Vault refuses the login (status 400)")
		}
		assert.Equal(t, i+1, l.calls(vaulttest.Login))
		l.Advance(wait)
		wait = min(2*wait, 30*time.Second)
	}
	restore()
	l.requireGet(t)
	assert.Zero(t, l.calls(vaulttest.Lookup))
}

func TestOutageDuringALoginIsUnavailable(t *testing.T) {
	l := logIn(t, nil)
	l.requireGet(t)
	l.server.RevokeLogins()
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Login, Status: 503, Times: 1})
	l.requireFailure(t, dbProd.Name, hush.ErrUnavailable)
	l.requireGet(t)
	assert.Equal(t, 2, l.logins())
}

// A freeze stops one of the clocks.
func TestTokenStaysRenewableAfterAFreeze(t *testing.T) {
	l := logIn(t, &vaulttest.TokenOptions{Period: time.Hour})
	leases := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour, MaxTTL: 1000 * time.Hour}, vault.ReaderOptions{})
	for range 6 {
		l.requireGet(t)
		l.Move(45*time.Minute, time.Millisecond)
		leases.requireGet(t, creds)
		leases.Move(45*time.Minute, time.Millisecond)
	}
	assert.Equal(t, 1, l.logins())
	assert.Equal(t, 1, leases.server.Counts().LeasesIssued)
}

// A renewal asks for the TTL that the token was created with.
func TestRenewalDoesNotShortenTheTTL(t *testing.T) {
	l, _ := given(t, &vaulttest.TokenOptions{TTL: 24 * time.Hour, MaxTTL: 700 * time.Hour}, token)
	l.Advance(24*time.Hour - 5*time.Minute)
	l.requireGet(t)
	l.Advance(4 * time.Minute)
	l.requireGet(t)
	assert.Equal(t, 1, l.server.Counts().TokensRenewed)
	l.Advance(6 * time.Minute)
	l.requireGet(t)
}

func TestTimeoutAfterARefusedRenewalIsUnavailable(t *testing.T) {
	l := logIn(t, &vaulttest.TokenOptions{TTL: time.Hour})
	l.requireGet(t)
	l.Advance(45 * time.Minute)
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Renew, Status: 403})
	for _, kind := range []vaulttest.Operation{vaulttest.Lookup, vaulttest.Read} {
		t.Cleanup(l.server.Hang(kind))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	_, err := l.Get(ctx, dbProd)
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err), "%v", err)
}

func TestInvalidRenewalDoesNotDelayALogin(t *testing.T) {
	l := logIn(t, &vaulttest.TokenOptions{TTL: time.Hour})
	l.requireGet(t)
	l.Advance(59*time.Minute + 29*time.Second + 800*time.Millisecond)
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Renew, Status: 200, Body: []byte(`{}`)})
	l.requireGet(t)
	assert.Equal(t, 1, l.logins())
	l.Advance(400 * time.Millisecond)
	l.requireGet(t)
	assert.Equal(t, 2, l.logins())
}
