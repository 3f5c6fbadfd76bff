package vaulttest_test

import (
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

func logIn(t testing.TB, server *vaulttest.Server, mount string, body map[string]any) (*api.Secret, error) {
	t.Helper()
	return clientOf(t, server, "").Logical().WriteWithContext(t.Context(), "auth/"+mount+"/login", body)
}

func TestAppRoleLogin(t *testing.T) {
	server := startServer(t, nil)
	server.Put("secret", "a", map[string]any{"n": "1"})
	roleID, secretID := server.AppRole("a/b", "app", &vaulttest.TokenOptions{TTL: time.Minute, Policies: []string{"app"}})
	got, err := logIn(t, server, "a/b", map[string]any{"role_id": roleID, "secret_id": secretID})
	require.NoError(t, err)
	assert.Equal(t, 60, got.Auth.LeaseDuration)
	assert.True(t, got.Auth.Renewable)
	assert.Equal(t, []string{"app", "default"}, got.Auth.TokenPolicies)
	assert.Equal(t, map[string]string{"role_name": "app"}, got.Auth.Metadata)
	_, err = clientOf(t, server, got.Auth.ClientToken).KVv2("secret").Get(t.Context(), "a")
	require.NoError(t, err)
	self, err := clientOf(t, server, got.Auth.ClientToken).Auth().Token().LookupSelfWithContext(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "auth/a/b/login", self.Data["path"])

	for _, c := range []struct {
		roleID, secretID string
		status           int
		message          string
	}{
		{roleID, "x", 400, "invalid role or secret ID"},
		{"x", secretID, 400, "invalid role or secret ID"},
		{roleID, "", 400, "missing secret_id"},
		{"", secretID, 500, "failed to determine alias name from login request"},
	} {
		_, err = logIn(t, server, "a/b", map[string]any{"role_id": c.roleID, "secret_id": c.secretID})
		requireError(t, err, c.status, c.message)
	}
	_, err = logIn(t, server, "nope", nil)
	requireError(t, err, 403, "permission denied")
	resp, body := send(t, server, "PUT", "/v1/auth/a/b/login", "", "{")
	assert.Equal(t, 500, resp.StatusCode, body)
	assert.Equal(t, 1, server.Counts().Logins)
	assert.Equal(t, 7, server.Calls(vaulttest.Call{Operation: vaulttest.Login}))

	assert.Equal(t, 1, server.RevokeLogins())
	assert.Equal(t, 0, server.RevokeLogins())
	_, err = clientOf(t, server, got.Auth.ClientToken).KVv2("secret").Get(t.Context(), "a")
	requireError(t, err, 403, invalidToken)
}

func TestKubernetesAndJWTLogin(t *testing.T) {
	server := startServer(t, nil)
	server.Kubernetes("kubernetes", "app", &vaulttest.TokenOptions{Period: time.Hour}, "one", "two")
	server.JWT("jwt", "app", &vaulttest.TokenOptions{NotRenewable: true}, "one")
	got, err := logIn(t, server, "kubernetes", map[string]any{"role": "app", "jwt": "two"})
	require.NoError(t, err)
	assert.Equal(t, 3600, got.Auth.LeaseDuration)
	got, err = logIn(t, server, "jwt", map[string]any{"role": "app", "jwt": "one"})
	require.NoError(t, err)
	assert.False(t, got.Auth.Renewable)
	for _, c := range []struct {
		mount, role, jwt string
		status           int
		message          string
	}{
		{"kubernetes", "app", "three", 403, "permission denied"},
		{"kubernetes", "no", "one", 400, `invalid role name "no"`},
		{"kubernetes", "", "one", 400, "missing role"},
		{"kubernetes", "app", "", 400, "missing jwt"},
		{"jwt", "app", "two", 400, "error validating token: invalid token"},
		{"jwt", "no", "one", 400, `role "no" could not be found`},
		{"jwt", "", "one", 400, "missing role"},
		{"jwt", "app", "", 400, "missing token"},
	} {
		_, err = logIn(t, server, c.mount, map[string]any{"role": c.role, "jwt": c.jwt})
		requireError(t, err, c.status, c.message)
	}
	resp, _ := send(t, server, "GET", "/v1/auth/jwt/login", "", "")
	assert.Equal(t, 405, resp.StatusCode)
}
