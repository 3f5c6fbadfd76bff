package vault_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

var dbProd = hush.Name("db/prod")

// A loggedIn is a Provider that logs in to a server by AppRole, and their clock.
type loggedIn struct {
	*vault.Provider
	*clocktest.Clock
	server *vaulttest.Server
}

// logIn returns a loggedIn whose tokens have opts.
func logIn(t *testing.T, opts *vaulttest.TokenOptions) loggedIn {
	t.Helper()
	h := clocktest.New()
	server, err := vaulttest.Start(&vaulttest.Options{Now: h.Time})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put("secret", dbProd.Name, map[string]any{"password": "canary-session"})
	roleID, secretID := server.AppRole("approle", "app", opts)
	p := vault.New(server.Client(), &vault.Options{
		KV: 2, Timeout: 20 * time.Second,
		Auth: auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(secretID)))}),
	})
	p.SetClock(h.Now)
	return loggedIn{p, h, server}
}

func (l loggedIn) requireGet(t *testing.T) {
	t.Helper()
	secret, err := l.Get(t.Context(), dbProd)
	require.NoError(t, err)
	assert.Equal(t, `{"password":"canary-session"}`, secret.Value.Reveal())
}

// requireFailure requires an error of class for name.
func (l loggedIn) requireFailure(t *testing.T, name string, class hush.Class) error {
	t.Helper()
	_, err := l.Get(t.Context(), hush.Name(name))
	require.Error(t, err)
	assert.Equal(t, class, hush.ClassOf(err), "class of: %v", err)
	assert.Empty(t, providertest.Leaks(err, "canary-session", l.server.RootToken()))
	return err
}

// requireGets reads in 64 goroutines and requires success.
func (l loggedIn) requireGets(t *testing.T, times int) {
	t.Helper()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range times {
				_, err := l.Get(t.Context(), dbProd)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
}

func (l loggedIn) logins() int { return l.server.Counts().Logins }

func (l loggedIn) calls(kind vaulttest.Operation) int {
	return l.server.Calls(vaulttest.Call{Operation: kind})
}

func TestConcurrentReadsShareALogin(t *testing.T) {
	l := logIn(t, nil)
	assert.Zero(t, l.server.Calls(vaulttest.Call{}), "New contacts nobody")
	l.server.Latency(vaulttest.Login, 20*time.Millisecond)
	l.requireGets(t, 4)
	assert.Equal(t, 1, l.logins())
	assert.Zero(t, l.calls(vaulttest.Preflight), "the version of KV is configured")
}

func TestLoginSurvivesTheCallerThatStartedIt(t *testing.T) {
	l := logIn(t, nil)
	release := l.server.Hang(vaulttest.Login)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := l.Get(ctx, dbProd)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	})
	require.Eventually(t, func() bool { return l.calls(vaulttest.Login) == 1 }, 10*time.Second, time.Millisecond)
	wg.Go(func() { l.requireGet(t) })
	cancel()
	release()
	wg.Wait()
	assert.Equal(t, 1, l.logins())
}

func TestConcurrentReadsShareALoginAfterARevocation(t *testing.T) {
	l := logIn(t, nil)
	l.requireGets(t, 1)
	var wg sync.WaitGroup
	wg.Go(func() { l.requireGets(t, 20) })
	l.server.RevokeLogins()
	wg.Wait()
	l.requireGets(t, 1)
	assert.Equal(t, 2, l.logins())

	// The minute does not apply to a token that Vault does not know.
	l.server.RevokeLogins()
	l.requireGets(t, 1)
	assert.Equal(t, 3, l.logins())
}

func TestDenialTriggersOneLoginPerMinute(t *testing.T) {
	l := logIn(t, nil)
	l.server.Deny("secret", "db/denied")
	l.requireGet(t)
	for range 5 {
		l.requireFailure(t, "db/denied", hush.ErrDenied)
	}
	assert.Equal(t, 2, l.logins(), "the second changed nothing")
	l.requireGet(t)
	l.Advance(59 * time.Second)
	l.requireFailure(t, "db/denied", hush.ErrDenied)
	assert.Equal(t, 2, l.logins())
	l.Advance(2 * time.Second)
	l.requireFailure(t, "db/denied", hush.ErrDenied)
	assert.Equal(t, 3, l.logins(), "one login per minute, because its policies may have changed")
}

func TestTokenWithoutLookupRightDoesNotTriggerLogins(t *testing.T) {
	l := logIn(t, nil)
	l.server.DenyPath("auth/token/lookup-self")
	l.server.Deny("secret", "db/denied")
	for range 5 {
		l.requireFailure(t, "db/denied", hush.ErrDenied)
	}
	assert.Equal(t, 2, l.logins())
	l.server.RevokeLogins()
	l.requireFailure(t, dbProd.Name, hush.ErrDenied) // the class cannot be more precise
	l.Advance(time.Minute)
	l.requireGet(t)
	assert.Equal(t, 3, l.logins())
}

func TestClassOfAFailedLogin(t *testing.T) {
	for status, class := range map[int]hush.Class{
		400: hush.ErrUnauthenticated, 401: hush.ErrUnauthenticated, 403: hush.ErrUnauthenticated, 404: hush.ErrUnauthenticated,
		412: hush.ErrUnavailable, 429: hush.ErrThrottled, 500: hush.ErrUnavailable, 503: hush.ErrUnavailable, 473: hush.ErrUnauthenticated,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			l := logIn(t, nil)
			l.server.Fail(vaulttest.Failure{Operation: vaulttest.Login, Status: status, Times: 1})
			l.requireFailure(t, dbProd.Name, class)
			l.Advance(time.Second)
			l.requireGet(t)
		})
	}
}

// A login that a freeze interrupts hangs on a dead connection.
func TestLoginInterruptedByAFreezeIsAbandoned(t *testing.T) {
	l := logIn(t, nil)
	release := l.server.Hang(vaulttest.Login)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = l.Get(t.Context(), dbProd) })
	require.Eventually(t, func() bool { return l.calls(vaulttest.Login) == 1 }, 10*time.Second, time.Millisecond)
	l.Move(10*time.Minute, 0)
	wg.Go(func() { l.requireGet(t) })
	require.Eventually(t, func() bool { return l.calls(vaulttest.Login) == 2 }, 10*time.Second, time.Millisecond)
	release()
	wg.Wait()
}

func TestClientTokenIsReadForEachCall(t *testing.T) {
	h := clocktest.New()
	server, err := vaulttest.Start(&vaulttest.Options{Now: h.Time})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put("secret", dbProd.Name, map[string]any{"password": "canary-session"})
	client := server.Client()
	client.SetToken(server.Token(&vaulttest.TokenOptions{Period: time.Hour}))
	p := vault.New(client, nil)
	p.SetClock(h.Now)
	l := loggedIn{p, h, server}

	for range 5 {
		l.requireGet(t)
		l.Advance(41 * time.Minute)
	}
	assert.Equal(t, 4, server.Counts().TokensRenewed, "like a token of a login")

	server.Revoke(client.Token())
	err = l.requireFailure(t, dbProd.Name, hush.ErrUnauthenticated)
	assert.ErrorContains(t, err, "expired, revoked or unknown")
	calls := server.Calls(vaulttest.Call{})
	l.requireFailure(t, dbProd.Name, hush.ErrUnauthenticated)
	assert.Equal(t, calls, server.Calls(vaulttest.Call{}), "Vault is not asked again at once")

	client.SetToken(server.Token(nil))
	l.requireGet(t)
	client.ClearToken()
	l.requireFailure(t, dbProd.Name, hush.ErrUnauthenticated)
}

// A method is a login method of another package, with unknown errors.
type method func(context.Context, *api.Client) (*api.Secret, error)

func (m method) Login(ctx context.Context, c *api.Client) (*api.Secret, error) { return m(ctx, c) }

func TestThirdPartyMethod(t *testing.T) {
	server := startVault(t)
	server.Put("secret", dbProd.Name, map[string]any{"password": "canary-session"})
	token := server.Token(nil)
	answer := func() (*api.Secret, error) { return nil, fmt.Errorf("secret id canary-session") }
	client := server.Client()
	l := loggedIn{Clock: clocktest.New(), server: server, Provider: vault.New(client, &vault.Options{
		Auth: method(func(_ context.Context, c *api.Client) (*api.Secret, error) {
			c.SetToken("canary-session-2") // on its own copy
			return answer()
		}),
	})}
	l.SetClock(l.Now)
	l.requireFailure(t, dbProd.Name, hush.ErrUnauthenticated)
	for _, empty := range []*api.Secret{nil, {}, {Auth: &api.SecretAuth{}}} {
		answer = func() (*api.Secret, error) { return empty, nil }
		l.Advance(time.Minute)
		l.requireFailure(t, dbProd.Name, hush.ErrUnavailable)
	}
	answer = func() (*api.Secret, error) { return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}, nil }
	l.Advance(time.Minute)
	l.requireGet(t)
	assert.Equal(t, server.RootToken(), client.Token(), "the program's client is as it was")
}

// A watcher is a login method of another package whose token can change.
type watcher struct {
	token   string
	changed bool
}

func (w *watcher) Login(context.Context, *api.Client) (*api.Secret, error) {
	w.changed = false
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: w.token}}, nil
}

func (w *watcher) TokenChanged() bool { return w.changed }

func TestTokenWatcherTriggersALogin(t *testing.T) {
	server := startVault(t)
	server.Put("secret", dbProd.Name, map[string]any{"password": "canary-session"})
	w := &watcher{token: server.Token(nil)}
	var method vault.TokenWatcher = w
	p := vault.New(server.Client(), &vault.Options{Auth: method})
	_, err := p.Get(t.Context(), dbProd)
	require.NoError(t, err)
	w.token, w.changed = server.Token(nil), true
	_, err = p.Get(t.Context(), dbProd)
	require.NoError(t, err)
	assert.False(t, w.changed, "the second read logs in")
}
