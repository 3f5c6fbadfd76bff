package vault_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// given starts a server whose client has a token, and a Provider with the login method
// that of returns for that token.
func given(t *testing.T, opts *vaulttest.TokenOptions, of func(token string) api.AuthMethod) (loggedIn, *api.Client) {
	t.Helper()
	h := clocktest.New()
	server, err := vaulttest.Start(&vaulttest.Options{Now: h.Time})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put("secret", dbProd.Name, map[string]any{"password": "canary-session"})
	client := server.Client()
	client.SetToken(server.Token(opts))
	o := &vault.Options{KV: 2}
	if of != nil {
		o.Auth = of(client.Token())
	}
	p := vault.New(client, o)
	p.SetClock(h.Now)
	return loggedIn{p, h, server}, client
}

func token(text string) api.AuthMethod { return auth.Token(auth.Value(hush.NewValue([]byte(text)))) }

// A token without the default policy must not look itself up, but is valid.
func TestDenialOfATokenWithoutLookupRight(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	for name, of := range map[string]func(string) api.AuthMethod{
		"the client's": nil, "given": token,
		"of a file": func(text string) api.AuthMethod {
			assert.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			return auth.Token(auth.File(file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, client := given(t, nil, of)
			l.server.DenyPath("auth/token/lookup-self")
			l.server.Deny("secret", "db/denied")
			l.requireGet(t)
			l.requireFailure(t, "db/denied", hush.ErrDenied)
			l.requireGet(t)
			l.server.Revoke(client.Token())
			l.requireFailure(t, dbProd.Name, hush.ErrUnauthenticated)
		})
	}
}

func TestDenialDoesNotEndAValidToken(t *testing.T) {
	for name, deny := range map[string]string{"may look itself up": "none", "may not": "auth/token/lookup-self"} {
		t.Run(name, func(t *testing.T) {
			l := logIn(t, nil)
			l.server.DenyPath(deny)
			l.server.Deny("secret", "db/denied")
			l.requireGet(t)
			l.server.Fail(vaulttest.Failure{Operation: vaulttest.Login, Status: 400}) // its secret ID has no uses left
			before := l.calls(vaulttest.Login)
			for range 20 {
				l.requireFailure(t, "db/denied", hush.ErrDenied)
				l.requireGet(t)
			}
			assert.Equal(t, 1, l.calls(vaulttest.Login)-before, "one login per minute")
		})
	}
}

func TestDenialDoesNotEndALease(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{}).logsIn(nil)
	l.server.LeaseRole("database", "other", &vaulttest.LeaseOptions{TTL: time.Hour})
	l.server.DenyPath("auth/token/lookup-self")
	l.server.Deny("database", "other")
	l.requireGet(t, creds)
	for range 10 {
		l.requireFailure(t, hush.Name("database/creds/other"), hush.ErrDenied)
		l.Advance(time.Minute)
		l.requireGet(t, creds)
	}
	assert.Equal(t, 1, l.server.Counts().LeasesIssued)
}

// The new token can be revoked, too, before it is used.
func TestReadSurvivesTwoRevocations(t *testing.T) {
	l := logIn(t, nil)
	l.requireGet(t)
	l.server.RevokeLogins()
	login := l.server.Hang(vaulttest.Login)
	done := make(chan error)
	go func() {
		_, err := l.Get(t.Context(), dbProd)
		done <- err
	}()
	require.Eventually(t, func() bool { return l.calls(vaulttest.Login) == 2 }, 10*time.Second, time.Millisecond)
	reads := l.calls(vaulttest.Read)
	read := l.server.Hang(vaulttest.Read)
	login()
	require.Eventually(t, func() bool { return l.calls(vaulttest.Read) > reads }, 10*time.Second, time.Millisecond)
	l.server.RevokeLogins()
	read()
	require.NoError(t, <-done)
	assert.Equal(t, 3, l.logins())
}

// A failed lookup does not show that a new token is invalid.
func TestNewTokenIsUsedAfterItsLookupFails(t *testing.T) {
	l := logIn(t, nil)
	l.server.DenyPath("auth/token/lookup-self")
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: 403, Times: 1})
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Lookup, Status: 403, Times: 1})
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Lookup, Status: 503, Times: 9})
	l.requireGet(t)
	l.requireGet(t)
	assert.Equal(t, 2, l.logins())
}

func TestReplacedClientTokenIsNotUsedAgain(t *testing.T) {
	l, client := given(t, nil, nil)
	l.requireGet(t)
	old, next := client.Token(), l.server.Token(nil)
	client.SetToken(next)
	l.server.Fail(vaulttest.Failure{Operation: vaulttest.Lookup, Status: 503, Times: 1})
	l.requireFailure(t, dbProd.Name, hush.ErrUnavailable)
	for range 3 {
		l.Advance(time.Minute)
		l.requireGet(t)
	}
	assert.Equal(t, 1, l.server.Calls(vaulttest.Call{Operation: vaulttest.Read, Token: vaulttest.Fingerprint(old)}))
	client.ClearToken()
	for range 3 {
		l.requireFailure(t, dbProd.Name, hush.ErrUnauthenticated)
	}
}

func TestLoginHasItsOwnTimeout(t *testing.T) {
	ended := make(chan time.Time, 1)
	server := startVault(t)
	p := vault.New(server.Client(), &vault.Options{Timeout: 50 * time.Millisecond, Auth: method(func(ctx context.Context, _ *api.Client) (*api.Secret, error) {
		<-ctx.Done()
		ended <- time.Now()
		return nil, ctx.Err()
	})})
	start := time.Now()
	_, err := p.Get(t.Context(), dbProd)
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%v", err)
	select {
	case end := <-ended:
		assert.Less(t, end.Sub(start), slack)
	case <-time.After(slack):
		t.Error("the login goes on")
	}
}
