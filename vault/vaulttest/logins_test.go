package vaulttest_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

func login(t testing.TB, server *vaulttest.Server, mount string, body map[string]any) (*api.Secret, error) {
	t.Helper()
	return as(t, server, "").Logical().WriteWithContext(t.Context(), "auth/"+mount+"/login", body)
}

func TestAppRole(t *testing.T) {
	server := start(t, nil)
	server.Put("secret", "a", map[string]any{"n": "1"})
	role, secret := server.AppRole("a/b", "app", &vaulttest.TokenOptions{TTL: time.Minute, Policies: []string{"app"}})
	got, err := login(t, server, "a/b", map[string]any{"role_id": role, "secret_id": secret})
	require.NoError(t, err)
	assert.Equal(t, 60, got.Auth.LeaseDuration)
	assert.True(t, got.Auth.Renewable)
	assert.Equal(t, []string{"app", "default"}, got.Auth.TokenPolicies)
	assert.Equal(t, map[string]string{"role_name": "app"}, got.Auth.Metadata)
	_, err = as(t, server, got.Auth.ClientToken).KVv2("secret").Get(t.Context(), "a")
	require.NoError(t, err)
	self, err := as(t, server, got.Auth.ClientToken).Auth().Token().LookupSelfWithContext(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "auth/a/b/login", self.Data["path"])

	once := server.SecretID("a/b", "app", 1)
	_, err = login(t, server, "a/b", map[string]any{"role_id": role, "secret_id": once})
	require.NoError(t, err)
	for _, c := range []struct {
		roleID, secretID string
		status           int
		said             string
	}{
		{role, once, 400, "invalid role or secret ID"},
		{role, "x", 400, "invalid role or secret ID"},
		{"x", secret, 400, "invalid role or secret ID"},
		{role, "", 400, "missing secret_id"},
		{"", secret, 500, "failed to determine alias name from login request"},
	} {
		_, err = login(t, server, "a/b", map[string]any{"role_id": c.roleID, "secret_id": c.secretID})
		answered(t, err, c.status, c.said)
	}
	_, err = login(t, server, "nope", nil)
	answered(t, err, 403, "permission denied")
	resp, body := raw(t, server, "PUT", "/v1/auth/a/b/login", "", "{")
	assert.Equal(t, 500, resp.StatusCode, body)
	assert.Equal(t, 2, server.Counts().Logins)
	assert.Equal(t, 9, server.Calls(vaulttest.Call{Operation: vaulttest.Login}))

	assert.Equal(t, 2, server.RevokeLogins())
	assert.Equal(t, 0, server.RevokeLogins())
	_, err = as(t, server, got.Auth.ClientToken).KVv2("secret").Get(t.Context(), "a")
	answered(t, err, 403, invalid)
	server.RevokeSecretIDs("a/b", "app")
	_, err = login(t, server, "a/b", map[string]any{"role_id": role, "secret_id": secret})
	answered(t, err, 400)
	assert.Panics(t, func() { server.SecretID("a/b", "nope", 0) })
}

func TestJWTs(t *testing.T) {
	server := start(t, nil)
	server.Kubernetes("kubernetes", "app", &vaulttest.TokenOptions{Period: time.Hour}, "one", "two")
	server.JWT("jwt", "app", &vaulttest.TokenOptions{NotRenewable: true}, "one")
	got, err := login(t, server, "kubernetes", map[string]any{"role": "app", "jwt": "two"})
	require.NoError(t, err)
	assert.Equal(t, 3600, got.Auth.LeaseDuration)
	got, err = login(t, server, "jwt", map[string]any{"role": "app", "jwt": "one"})
	require.NoError(t, err)
	assert.False(t, got.Auth.Renewable)
	for _, c := range []struct {
		mount, role, jwt string
		status           int
		said             string
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
		_, err = login(t, server, c.mount, map[string]any{"role": c.role, "jwt": c.jwt})
		answered(t, err, c.status, c.said)
	}
	resp, _ := raw(t, server, "GET", "/v1/auth/jwt/login", "", "")
	assert.Equal(t, 405, resp.StatusCode)
}

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestAWSLogin(t *testing.T) {
	server := start(t, nil)
	var asked vaulttest.AWSLogin
	server.AWS("aws", "app", nil, func(l vaulttest.AWSLogin) bool {
		asked = l
		return l.Header.Get("X-Vault-AWS-IAM-Server-ID") == "vault.example.com"
	})
	headers, err := json.Marshal(map[string]any{"Authorization": []string{"AWS4-HMAC-SHA256 …"}, "X-Vault-Aws-Iam-Server-Id": "vault.example.com"})
	require.NoError(t, err)
	good := map[string]any{
		"role": "app", "iam_http_request_method": "POST", "iam_request_url": encoded("https://sts.amazonaws.com/"),
		"iam_request_body": encoded("Action=GetCallerIdentity&Version=2011-06-15"), "iam_request_headers": encoded(string(headers)),
	}
	_, err = login(t, server, "aws", good)
	require.NoError(t, err)
	assert.Equal(t, "sts.amazonaws.com", asked.URL.Host)
	assert.Equal(t, http.MethodPost, asked.Method)
	assert.Equal(t, "AWS4-HMAC-SHA256 …", asked.Header.Get("Authorization"))
	assert.Contains(t, asked.Body, "GetCallerIdentity")
	query := maps.Clone(good)
	maps.Copy(query, map[string]any{
		"iam_http_request_method": "GET", "iam_request_url": encoded("https://sts.amazonaws.com/?Action=GetCallerIdentity"),
		"iam_request_body": "", "iam_request_headers": string(headers),
	})
	_, err = login(t, server, "aws", query)
	require.NoError(t, err)
	for name, value := range map[string]any{
		"iam_http_request_method": "PUT", "iam_request_url": "!", "iam_request_body": "!", "iam_request_headers": "",
		"role": "no",
	} {
		bad := maps.Clone(good)
		bad[name] = value
		_, err = login(t, server, "aws", bad)
		answered(t, err, 400)
		bad[name] = nil
		_, err = login(t, server, "aws", bad)
		answered(t, err, 400)
	}
	for name, value := range map[string]string{
		"iam_request_url": "https://sts.amazonaws.com/?Action=GetCallerIdentity", "iam_request_body": "Action=AssumeRole",
		"iam_request_headers": `{"X-Vault-AWS-IAM-Server-ID":"other"}`,
	} {
		bad := maps.Clone(good)
		bad[name] = encoded(value)
		_, err = login(t, server, "aws", bad)
		answered(t, err, 400)
	}
	assert.Equal(t, 2, server.Counts().Logins)
}
