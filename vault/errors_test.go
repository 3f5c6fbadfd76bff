package vault_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// readers returns a Provider and a Reader of a server with one secret each.
func readers(t *testing.T, server *vaulttest.Server, client *api.Client, timeout time.Duration) map[hush.Ref]hush.Provider {
	t.Helper()
	server.Mount("kv", vaulttest.KV1)
	for _, mount := range []string{"secret", "kv"} {
		server.Put(mount, app, map[string]any{"password": kvCanary})
	}
	return map[hush.Ref]hush.Provider{
		hush.Name(app):         vault.New(client, &vault.Options{KV: 2, Timeout: timeout}),
		hush.Name("kv/" + app): vault.NewReader(client, &vault.ReaderOptions{Mounts: []string{"kv"}, Timeout: timeout}),
	}
}

func requireClass(t *testing.T, p hush.Provider, ref hush.Ref, class hush.Class) error {
	t.Helper()
	_, err := p.Get(t.Context(), ref)
	require.Error(t, err)
	assert.Equal(t, class, hush.ClassOf(err), "%v", err)
	assert.Empty(t, providertest.Leaks(err, kvCanary))
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, context.Canceled)
	return err
}

func TestStatusDecidesTheClass(t *testing.T) {
	server := startVault(t)
	both := readers(t, server, server.Client(), 0)
	for status, want := range map[int]struct {
		class hush.Class
		says  string
	}{
		400: {hush.ErrRefused, "rejects the request"},
		401: {hush.ErrUnauthenticated, "Vault does not accept the token"},
		403: {hush.ErrDenied, "no policy of the token allows this"},
		404: {hush.ErrNotFound, "no such secret"},
		405: {hush.ErrRefused, "this path cannot be read"},
		412: {hush.ErrUnavailable, "is not up to date yet"},
		418: {hush.ErrUnavailable, "unexpected response"},
		429: {hush.ErrThrottled, "too many requests"},
		472: {hush.ErrUnavailable, ""},
		473: {hush.ErrUnavailable, ""},
		500: {hush.ErrUnavailable, "Vault failed"},
		502: {hush.ErrUnavailable, "Vault failed"},
		503: {hush.ErrUnavailable, "Vault is sealed or not ready"},
		530: {hush.ErrUnavailable, "Vault failed"},
	} {
		for ref, p := range both {
			restore := server.Fail(vaulttest.Failure{
				Operation: vaulttest.Read, Status: status, Errors: []string{kvCanary}, Header: http.Header{"X-Canary": {kvCanary}},
			})
			err := requireClass(t, p, ref, want.class)
			assert.ErrorContains(t, err, want.says)
			assert.ErrorContains(t, err, "(status "+strconv.Itoa(status)+")")
			restore()

			answer, ok := errors.AsType[*vault.APIError](err)
			if assert.True(t, ok, "%v", err) {
				assert.Equal(t, status, answer.Status)
			}
			_, raw := errors.AsType[*api.ResponseError](err)
			assert.False(t, raw, "the client's own error quotes the response")
			_, err = p.Get(t.Context(), ref)
			assert.NoError(t, err)
		}
	}
}

func TestNoResponseIsUnavailable(t *testing.T) {
	server := startVault(t)
	for ref, p := range readers(t, server, server.Client(), 0) {
		unseal := server.Seal()
		assert.ErrorContains(t, requireClass(t, p, ref, hush.ErrUnavailable), "sealed")
		unseal()
		restore := server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusServiceUnavailable, Body: []byte("<html>" + kvCanary), Times: 1})
		assert.ErrorContains(t, requireClass(t, p, ref, hush.ErrUnavailable), "status 503")
		restore()
		restore = server.Fail(vaulttest.Failure{Drop: true})
		assert.ErrorContains(t, requireClass(t, p, ref, hush.ErrUnavailable), "closed before the response")
		restore()
		restore = server.Break()
		assert.ErrorContains(t, requireClass(t, p, ref, hush.ErrUnavailable), "connection refused")
		restore()
		_, err := p.Get(t.Context(), ref)
		assert.NoError(t, err)
	}
}

func TestTimeoutIsUnavailable(t *testing.T) {
	server := startVault(t)
	for _, kind := range []vaulttest.Operation{vaulttest.Read, vaulttest.Lookup} { // Lookup is the first request with a client's token
		for ref, p := range readers(t, server, server.Client(), 100*time.Millisecond) {
			release := server.Hang(kind)
			assert.ErrorContains(t, requireClass(t, p, ref, hush.ErrUnavailable), "Vault took longer than its limit of 100ms")
			release()
		}
	}
}

func TestCallersDeadlineIsCanceled(t *testing.T) {
	server := startVault(t)
	for _, kind := range []vaulttest.Operation{vaulttest.Read, vaulttest.Lookup} {
		for ref, p := range readers(t, server, server.Client(), 0) {
			release := server.Hang(kind)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := p.Get(ctx, ref)
			assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err), "%v", err)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			_, err = p.Get(ctx, ref)
			assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err), "%v", err)
			assert.ErrorIs(t, err, ctx.Err())
			release()
		}
	}
}

func TestTimeoutAfterAResponseKeepsItsClass(t *testing.T) {
	t.Parallel()
	for _, kind := range []vaulttest.Operation{vaulttest.Read, vaulttest.Lookup} {
		server := startVault(t)
		client := server.Client()
		client.SetMaxRetries(5)
		client.SetMinRetryWait(time.Hour)
		client.SetMaxRetryWait(time.Hour)
		for ref, p := range readers(t, server, client, 300*time.Millisecond) {
			if _, ok := p.(*vault.Reader); ok && kind == vaulttest.Lookup {
				continue // it has another login
			}
			restore := server.Fail(vaulttest.Failure{Operation: kind, Status: 429, Errors: []string{kvCanary}})
			err := requireClass(t, p, ref, hush.ErrThrottled)
			assert.ErrorContains(t, err, "limit of 300ms; before that: too many requests", "%s", kind)

			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			_, err = p.Get(ctx, ref)
			assert.Equal(t, hush.ErrThrottled, hush.ClassOf(err), "%s: %v", kind, err)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			restore()
		}
	}
}

func TestRetryAfterBeyondTheTimeoutIsNotAwaited(t *testing.T) {
	server := startVault(t)
	client := server.Client()
	client.SetMaxRetries(5)
	for ref, p := range readers(t, server, client, 0) {
		server.Fail(vaulttest.Failure{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3600"}}, Times: 1})
		requireClass(t, p, ref, hush.ErrThrottled)
	}
}

// A denied token may be replaced by a login, so the 403 is not final. A cache would
// otherwise drop the secret.
func TestTimeoutAfterA403IsUnavailable(t *testing.T) {
	t.Parallel()
	for _, kind := range []vaulttest.Operation{vaulttest.Login, vaulttest.Read} {
		server := startVault(t)
		server.Put("secret", app, map[string]any{"password": kvCanary})
		roleID, secretID := server.AppRole("approle", "app", nil)
		p := vault.New(server.Client(), &vault.Options{
			KV: 2, Timeout: 300 * time.Millisecond,
			Auth: auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(secretID)))}),
		})
		kv{p, server}.requireGet(t, hush.Name(app))
		server.RevokeLogins()
		server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: 403, Times: 1})
		release := func() {}
		if kind == vaulttest.Login {
			release = server.Hang(kind)
		} else {
			server.Latency(vaulttest.Read, 200*time.Millisecond) // two of them exceed the timeout
		}
		requireClass(t, p, hush.Name(app), hush.ErrUnavailable)
		release()
	}
}
