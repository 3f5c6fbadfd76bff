package vault_test

import (
	"net/http"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
)

func TestAppRole(t *testing.T) {
	t.Setenv("HUSHTEST_SECRET_ID", "of the variable\n")
	for name, c := range map[string]struct {
		opts vault.AppRoleOptions
		path string
		want any
	}{
		"a value":    {vault.AppRoleOptions{SecretID: hush.NewValue([]byte("of Options"))}, "auth/approle/login", "of Options"},
		"a file":     {vault.AppRoleOptions{SecretIDFile: newFile(t, "of the file\r\n")}, "auth/approle/login", "of the file"},
		"a variable": {vault.AppRoleOptions{SecretIDEnv: "HUSHTEST_SECRET_ID"}, "auth/approle/login", "of the variable"},
		"none":       {vault.AppRoleOptions{}, "auth/approle/login", nil},
		"a mount":    {vault.AppRoleOptions{Mount: "/teams/blue/"}, "auth/teams/blue/login", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLoginServer(t)
			c.opts.RoleID = "the-role"
			secret, err := vault.AppRole(&c.opts).Login(t.Context(), s.client)
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
	method := vault.AppRole(&vault.AppRoleOptions{RoleID: "r", SecretIDFile: path})
	s.logsIn(t, method)
	writeFile(t, path, "second")
	s.logsIn(t, method)
	calls := s.asked("auth/approle/login")
	require.Len(t, calls, 2)
	assert.Equal(t, "first", calls[0].body["secret_id"])
	assert.Equal(t, "second", calls[1].body["secret_id"])
}

func TestAppRoleOptionsThatCannotWork(t *testing.T) {
	value := canaryValue("")
	for says, opts := range map[string]*vault.AppRoleOptions{
		"set RoleID": nil,
		"no role id": {SecretID: value},
		"SecretID and SecretIDFile are both set, and only one":    {RoleID: "r", SecretID: value, SecretIDFile: "f"},
		"SecretID and SecretIDEnv are both set, and only one":     {RoleID: "r", SecretID: value, SecretIDEnv: "E", Wrapped: true},
		"SecretIDFile and SecretIDEnv are both set, and only one": {RoleID: "r", SecretIDFile: "f", SecretIDEnv: "E"},
		"there is nothing to unwrap":                              {RoleID: "r", Wrapped: true},
		"the secret id is empty":                                  {RoleID: "r", SecretID: hush.NewValue([]byte("\n"))},
		`"HUSHTEST_NOT_SET" with the secret id is not set`:        {RoleID: "r", SecretIDEnv: "HUSHTEST_NOT_SET"},
		"the wrapping token of the secret id is JSON":             {RoleID: "r", Wrapped: true, SecretID: hush.NewValue([]byte(`{"wrap_info":{"token":"canary-hunter2"}}`))},
		"wrapping token of the secret id has a character":         {RoleID: "r", Wrapped: true, SecretID: canaryValue(" x")},
	} {
		t.Run(says, func(t *testing.T) {
			s := newLoginServer(t)
			s.refuses(t, vault.AppRole(opts), hush.ErrUnauthenticated, says)
			assert.Empty(t, s.asked(""))
		})
	}
}

func TestAuthMounts(t *testing.T) {
	methods := func(mount string) []api.AuthMethod {
		return []api.AuthMethod{
			vault.AppRole(&vault.AppRoleOptions{RoleID: "r", Mount: mount}),
			vault.Kubernetes("r", &vault.JWTOptions{JWT: canaryValue(""), Mount: mount}),
			vault.JWT("r", &vault.JWTOptions{JWT: canaryValue(""), Mount: mount}),
		}
	}
	for mount, says := range map[string]string{
		"..": `segment ".."`, "a/../sys": `segment ".."`, "a/./b": `segment "."`, "a//b": "an empty segment",
		"/": "an empty segment", "a\nb": "a control character", "a\x7f": "a control character", "auth/approle": "with auth/ before it",
	} {
		s := newLoginServer(t)
		for _, method := range methods(mount) {
			s.refuses(t, method, hush.ErrUnauthenticated, says)
		}
		assert.Empty(t, s.asked(""))
	}
	for mount, path := range map[string]string{"a/b/": "auth/a/b/login", "//a?b#c%2f": "auth/a?b#c%2f/login", "authority": "auth/authority/login"} {
		s := newLoginServer(t)
		for _, method := range methods(mount) {
			s.logsIn(t, method)
		}
		assert.Len(t, s.asked(path), 3, mount)
	}
}

func TestLoginIsAnsweredWithoutAToken(t *testing.T) {
	method := vault.AppRole(&vault.AppRoleOptions{RoleID: "r", SecretID: canaryValue("")})
	for _, body := range []string{``, `{}`, `{"data":{"x":1}}`, `{"auth":null}`, `{"auth":{"client_token":""}}`, `{"wrap_info":{"token":"canary-hunter2"}}`} {
		s := newLoginServer(t)
		s.answer("auth/approle/login", answering(http.StatusOK, body))
		s.refuses(t, method, hush.ErrUnavailable, "Vault answered the login without a token")
	}
	s := newLoginServer(t)
	s.answer("auth/approle/login", answering(http.StatusOK, `{"auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"canary-hunter2"}}}`))
	s.refuses(t, method, hush.ErrUnauthenticated, "a second factor (MFA)")
}

// What Vault answers is for the session to judge, and so is handed up as it is.
func TestLoginIsRefused(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		s := newLoginServer(t)
		s.answer("auth/approle/login", answering(status, `{"errors":["invalid role or secret ID"]}`))
		_, err := vault.AppRole(&vault.AppRoleOptions{RoleID: "r"}).Login(t.Context(), s.client)
		var answer *api.ResponseError
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, status, answer.StatusCode)
	}
}
