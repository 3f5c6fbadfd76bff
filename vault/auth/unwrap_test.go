package auth_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/auth"
)

const (
	lookupPath = "sys/wrapping/lookup"
	unwrapPath = "sys/wrapping/unwrap"
	usedUp     = `{"errors":["wrapping token is not valid or does not exist"]}`
)

// wraps makes s a server whose wrapping tokens "canary-hunter2-N" can be unwrapped once
// each, to the secret ID "id-of-canary-hunter2-N".
func (s *loginServer) wraps(origin string) *loginServer {
	var used sync.Map
	s.answer(lookupPath, func(w http.ResponseWriter, r *http.Request) {
		calls := s.asked(lookupPath)
		if _, gone := used.Load(calls[len(calls)-1].body["token"]); gone {
			answering(http.StatusBadRequest, usedUp)(w, r)
			return
		}
		answering(http.StatusOK, `{"data":{"creation_path":"`+origin+`","creation_ttl":300}}`)(w, r)
	})
	s.answer(unwrapPath, func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Vault-Token")
		if _, gone := used.LoadOrStore(token, true); gone {
			answering(http.StatusBadRequest, usedUp)(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"secret_id":"id-of-`+token+`"}}`)
	})
	return s
}

// sent returns the secret IDs of the logins.
func (s *loginServer) sent(path string) []any {
	var ids []any
	for _, call := range s.asked(path) {
		ids = append(ids, call.body["secret_id"])
	}
	return ids
}

const secretIDPath = "auth/approle/role/app/secret-id"

func TestWrappedSecretIDIsUnwrappedOnce(t *testing.T) {
	s := newLoginServer(t).wraps(secretIDPath)
	method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Value(canaryValue("-1\n")), Wrapped: true})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := method.Login(t.Context(), s.client)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	s.requireLogin(t, method)
	require.Len(t, s.asked(lookupPath), 1)
	require.Len(t, s.asked(unwrapPath), 1)
	assert.Equal(t, map[string]any{"token": loginCanary + "-1"}, s.asked(lookupPath)[0].body)
	assert.Empty(t, s.asked(lookupPath)[0].token)
	assert.Equal(t, loginCanary+"-1", s.asked(unwrapPath)[0].token, "the unwrap sends the wrapping token itself")
	require.Len(t, s.asked("auth/approle/login"), 17)
	for _, id := range s.sent("auth/approle/login") {
		assert.Equal(t, "id-of-canary-hunter2-1", id)
	}
}

func TestNewWrappingTokenIsUnwrapped(t *testing.T) {
	s := newLoginServer(t).wraps("auth/teams/blue/role/app/custom-secret-id")
	path := newFile(t, loginCanary+"-1")
	method := auth.AppRole("r", &auth.AppRoleOptions{Mount: "teams/blue", SecretID: auth.File(path), Wrapped: true})
	s.requireLogin(t, method)
	writeFile(t, path, loginCanary+"-2")
	s.requireLogin(t, method)
	// The secret ID stays in use after the wrapping token was removed.
	require.NoError(t, os.Remove(path))
	s.requireLogin(t, method)
	want := []any{"id-of-canary-hunter2-1", "id-of-canary-hunter2-2", "id-of-canary-hunter2-2"}
	assert.Equal(t, want, s.sent("auth/teams/blue/login"))

	writeFile(t, path, loginCanary+"-3")
	unwrap := s.answers[unwrapPath]
	s.answer(unwrapPath, answering(http.StatusServiceUnavailable, ""))
	_, err := method.Login(t.Context(), s.client)
	require.Error(t, err)
	s.answer(unwrapPath, unwrap)
	require.NoError(t, os.Remove(path))
	s.requireLogin(t, method)
	assert.Equal(t, append(want, want[2]), s.sent("auth/teams/blue/login"), "a failed unwrap replaces nothing")

	// A wrapping token that Vault does not know may have been stolen.
	writeFile(t, path, loginCanary+"-1")
	s.requireFailure(t, method, hush.ErrUnauthenticated, "it expired, or another client unwrapped it")
}

func TestWrappingTokenInAVariable(t *testing.T) {
	s := newLoginServer(t).wraps(secretIDPath)
	method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Env("HUSHTEST_WRAPPED"), Wrapped: true})
	s.requireFailure(t, method, hush.ErrUnauthenticated, `"HUSHTEST_WRAPPED" with the wrapping token of the secret ID is not set`)
	t.Setenv("HUSHTEST_WRAPPED", loginCanary)
	s.requireLogin(t, method)
	require.NoError(t, os.Unsetenv("HUSHTEST_WRAPPED"))
	s.requireLogin(t, method)
	assert.Len(t, s.asked(unwrapPath), 1)
}

// The wrapping token is not used up, because it is evidence.
func TestWrappingTokenForAnotherPathIsRejected(t *testing.T) {
	for _, origin := range []string{
		"", "cubbyhole/x", "sys/wrapping/wrap", "auth/token/create", "secret/data/auth/approle/role/app/secret-id",
		"auth/other/role/app/secret-id", "auth/approle/role/app/role-id", "auth/approle/role//secret-id", "auth/approle/role/secret-id",
		"auth/approle/role/app/secret-id/lookup", "auth/approle/role/a/b/secret-id", "auth/approle/role/app/secret-id-accessor/lookup",
		"auth/approle/role/app/", "auth/approle/login", "AUTH/approle/role/app/secret-id", "/auth/approle/role/app/secret-id",
	} {
		s := newLoginServer(t).wraps(origin)
		method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Value(canaryValue("")), Wrapped: true})
		s.requireFailure(t, method, hush.ErrUnauthenticated, `was not created for a secret ID of the auth mount "approle"`)
		assert.Len(t, s.asked(""), 1, origin)
	}
	for _, body := range []string{`{"data":{}}`, `{"data":{"creation_path":7}}`} {
		s := newLoginServer(t)
		s.answer(lookupPath, answering(http.StatusOK, body))
		method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Value(canaryValue("")), Wrapped: true})
		s.requireFailure(t, method, hush.ErrUnauthenticated, "was not created for")
	}
}

func TestFailedUnwrap(t *testing.T) {
	method := func() api.AuthMethod {
		return auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Value(canaryValue("")), Wrapped: true})
	}
	s := newLoginServer(t)
	s.answer(lookupPath, answering(http.StatusBadRequest, usedUp))
	s.requireFailure(t, method(), hush.ErrUnauthenticated, "it expired, or another client unwrapped it")
	assert.Empty(t, s.asked(unwrapPath))

	s = newLoginServer(t).wraps(secretIDPath)
	s.answer(unwrapPath, answering(http.StatusBadRequest, usedUp))
	s.requireFailure(t, method(), hush.ErrUnauthenticated, "it expired, or another client unwrapped it")

	s = newLoginServer(t)
	s.answer(lookupPath, answering(http.StatusOK, ""))
	s.requireFailure(t, method(), hush.ErrUnavailable, "lookup is empty")
	for _, body := range []string{``, `{"data":null}`, `{"data":{"secret_id":""}}`, `{"data":{"secret_id":{"a":"canary-hunter2"}}}`, `{"auth":{"client_token":"canary-hunter2"}}`} {
		s = newLoginServer(t).wraps(secretIDPath)
		s.answer(unwrapPath, answering(http.StatusOK, body))
		s.requireFailure(t, method(), hush.ErrUnauthenticated, "has no secret ID")
	}
	for _, path := range []string{lookupPath, unwrapPath} {
		s = newLoginServer(t).wraps(secretIDPath)
		s.answer(path, answering(http.StatusServiceUnavailable, `{"errors":["Vault is sealed"]}`))
		m := method()
		_, err := m.Login(t.Context(), s.client)
		var answer *api.ResponseError
		require.ErrorAs(t, err, &answer, path)
		assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)

		s.wraps(secretIDPath)
		s.requireLogin(t, m)
	}
}

func TestSecretIDIsKeptIfTheLoginFails(t *testing.T) {
	s := newLoginServer(t).wraps(secretIDPath)
	s.answer("auth/approle/login", answering(http.StatusServiceUnavailable, ""))
	method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Value(canaryValue("")), Wrapped: true})
	_, err := method.Login(t.Context(), s.client)
	require.Error(t, err)
	s.answer("auth/approle/login", answering(http.StatusOK, `{"auth":{"client_token":"late"}}`))
	assert.Equal(t, "late", s.requireLogin(t, method))
	assert.Len(t, s.asked(unwrapPath), 1)
}

// Vault returns the secret ID only once.
func TestUnwrapSurvivesItsCaller(t *testing.T) {
	s := newLoginServer(t).wraps(secretIDPath)
	method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Value(canaryValue("")), Wrapped: true})
	unwrap := s.answers[unwrapPath]
	ctx, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan struct{})
	s.answer(unwrapPath, func(w http.ResponseWriter, r *http.Request) {
		giveUp()
		<-gaveUp
		unwrap(w, r)
	})
	_, err := method.Login(ctx, s.client)
	assert.ErrorIs(t, err, context.Canceled)

	_, err = method.Login(ctx, s.client)
	assert.ErrorIs(t, err, context.Canceled, "it does not wait for the pending unwrap")
	close(gaveUp)
	s.requireLogin(t, method)
	assert.Equal(t, []any{"id-of-canary-hunter2"}, s.sent("auth/approle/login"))
	assert.Len(t, s.asked(unwrapPath), 1)
}

func TestUnwrapDoesNotStartForACanceledCaller(t *testing.T) {
	s := newLoginServer(t).wraps(secretIDPath)
	method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Value(canaryValue("")), Wrapped: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := method.Login(ctx, s.client)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, s.asked(unwrapPath), "the wrapping token is not used up")
}
