package auth_test

import (
	"net/http"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/auth"
)

func TestAppRole(t *testing.T) {
	t.Setenv("HUSHTEST_SECRET_ID", "of the variable\n")
	for name, c := range map[string]struct {
		opts auth.AppRoleOptions
		path string
		want any
	}{
		"value":    {auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte("of Options")))}, "auth/approle/login", "of Options"},
		"file":     {auth.AppRoleOptions{SecretID: auth.File(newFile(t, "of the file\r\n"))}, "auth/approle/login", "of the file"},
		"variable": {auth.AppRoleOptions{SecretID: auth.Env("HUSHTEST_SECRET_ID")}, "auth/approle/login", "of the variable"},
		"none":     {auth.AppRoleOptions{}, "auth/approle/login", nil},
		"mount":    {auth.AppRoleOptions{Mount: "/teams/blue/"}, "auth/teams/blue/login", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLoginServer(t)
			secret, err := auth.AppRole("the-role", &c.opts).Login(t.Context(), s.client)
			require.NoError(t, err)
			assert.Equal(t, &api.SecretAuth{ClientToken: "new-token", LeaseDuration: 60, Renewable: true}, secret.Auth)
			require.Len(t, s.asked(c.path), 1)
			call := s.asked("")[0]
			assert.Empty(t, call.token, "a login sends no token, not even an old one")
			assert.Equal(t, "the-role", call.body["role_id"])
			got, given := call.body["secret_id"]
			assert.Equal(t, c.want != nil, given)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestSecretIDIsReadForEachLogin(t *testing.T) {
	s := newLoginServer(t)
	path := newFile(t, "first")
	method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.File(path)})
	s.requireLogin(t, method)
	writeFile(t, path, "second")
	s.requireLogin(t, method)
	calls := s.asked("auth/approle/login")
	require.Len(t, calls, 2)
	assert.Equal(t, "first", calls[0].body["secret_id"])
	assert.Equal(t, "second", calls[1].body["secret_id"])
}

func TestAppRoleRejectsInvalidOptions(t *testing.T) {
	value := auth.Value(canaryValue(""))
	for want, c := range map[string]struct {
		roleID string
		opts   *auth.AppRoleOptions
	}{
		"no role ID to log in with":                        {"", &auth.AppRoleOptions{SecretID: value}},
		"Wrapped requires a SecretID":                      {"r", &auth.AppRoleOptions{Wrapped: true}},
		"the secret ID is empty":                           {"r", &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte("\n")))}},
		"the file with the secret ID has no name":          {"r", &auth.AppRoleOptions{SecretID: auth.File("")}},
		`"HUSHTEST_NOT_SET" with the secret ID is not set`: {"r", &auth.AppRoleOptions{SecretID: auth.Env("HUSHTEST_NOT_SET")}},
		"the wrapping token of the secret ID is JSON": {"r", &auth.AppRoleOptions{
			Wrapped: true, SecretID: auth.Value(hush.NewValue([]byte(`{"wrap_info":{"token":"canary-hunter2"}}`))),
		}},
		"wrapping token of the secret ID contains a character": {"r", &auth.AppRoleOptions{Wrapped: true, SecretID: auth.Value(canaryValue(" x"))}},
	} {
		t.Run(want, func(t *testing.T) {
			s := newLoginServer(t)
			s.requireFailure(t, auth.AppRole(c.roleID, c.opts), hush.ErrUnauthenticated, want)
			assert.Empty(t, s.asked(""))
		})
	}
}

func TestAuthMount(t *testing.T) {
	methods := func(mount string) []api.AuthMethod {
		return []api.AuthMethod{
			auth.AppRole("r", &auth.AppRoleOptions{Mount: mount}),
			auth.Kubernetes("r", &auth.JWTOptions{JWT: auth.Value(canaryValue("")), Mount: mount}),
			auth.JWT("r", &auth.JWTOptions{JWT: auth.Value(canaryValue("")), Mount: mount}),
		}
	}
	for mount, says := range map[string]string{
		"..": `segment ".."`, "a/../sys": `segment ".."`, "a/./b": `segment "."`, "a//b": "empty path segment",
		"/": "empty path segment", "a\nb": "a control character", "a\x7f": "a control character", "auth/approle": "remove auth/",
	} {
		s := newLoginServer(t)
		for _, method := range methods(mount) {
			s.requireFailure(t, method, hush.ErrUnauthenticated, says)
		}
		assert.Empty(t, s.asked(""))
	}
	for mount, path := range map[string]string{"a/b/": "auth/a/b/login", "//a?b#c%2f": "auth/a?b#c%2f/login", "authority": "auth/authority/login"} {
		s := newLoginServer(t)
		for _, method := range methods(mount) {
			s.requireLogin(t, method)
		}
		assert.Len(t, s.asked(path), 3, mount)
	}
}

func TestLoginResponseWithoutATokenIsUnavailable(t *testing.T) {
	method := auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.Value(canaryValue(""))})
	for _, body := range []string{``, `{}`, `{"data":{"x":1}}`, `{"auth":null}`, `{"auth":{"client_token":""}}`, `{"wrap_info":{"token":"canary-hunter2"}}`} {
		s := newLoginServer(t)
		s.answer("auth/approle/login", answering(http.StatusOK, body))
		s.requireFailure(t, method, hush.ErrUnavailable, "the response to the login has no token")
	}
	s := newLoginServer(t)
	s.answer("auth/approle/login", answering(http.StatusOK, `{"auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"canary-hunter2"}}}`))
	s.requireFailure(t, method, hush.ErrUnauthenticated, "a second factor (MFA)")
}

// Package vault classifies them.
func TestErrorsOfVaultAreReturnedUnchanged(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		s := newLoginServer(t)
		s.answer("auth/approle/login", answering(status, `{"errors":["invalid role or secret ID"]}`))
		_, err := auth.AppRole("r", nil).Login(t.Context(), s.client)
		var answer *api.ResponseError
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, status, answer.StatusCode)
	}
}
