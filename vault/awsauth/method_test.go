package awsauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/awsauth"
)

func open(t *testing.T, s *server, query string) (hush.Provider, error) {
	t.Helper()
	u, err := url.Parse("vault://" + strings.TrimPrefix(s.URL, "http://") + "/secret?tls=false&kv=2&auth=aws&" + query)
	require.NoError(t, err)
	return vault.Scheme(awsauth.Method()).Open(t.Context(), u)
}

func TestMethodPassesEachParameter(t *testing.T) {
	laptop(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "another")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	tokenService(t, http.StatusOK)
	s := startVault(t)
	s.mount, s.endpoint, s.serverID = "team/aws", "https://sts.eu-west-1.amazonaws.com", "v"
	p, err := open(t, s, "role=app&auth_mount=team/aws&server_id=v&region=eu-west-1&role_arn="+roleARN+"&external_id=ext")
	require.NoError(t, err)
	_, err = p.Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err), "this Vault has no secrets: %v", err)
	require.NoError(t, s.last(t).err)
	assert.Equal(t, "app", s.last(t).role)
	assert.Equal(t, "eu-west-1", s.last(t).region)

	p, err = open(t, s, "profile=nobody")
	require.NoError(t, err)
	_, err = p.Get(t.Context(), hush.Name("db"))
	assert.ErrorContains(t, err, `no profile "nobody"`)
}

func TestMethodRejectsInvalidParameters(t *testing.T) {
	laptop(t)
	s := startVault(t)
	for query, why := range map[string]string{
		"zone=a":            "unknown parameter",
		"secret_key=x":      "must not contain credentials",
		"role_id=x":         "role_id",
		"region=a.b":        "must be an AWS region",
		"auth_mount=../sys": `segment ".." is not allowed`,
		"role_arn=app":      "the ARN of an IAM role",
		"external_id=x":     "an external ID requires",
		"server_id=%0ax":    "not allowed in an HTTP header",
	} {
		t.Run(query, func(t *testing.T) {
			_, err := open(t, s, query)
			require.Error(t, err, query)
			assert.ErrorContains(t, err, why, query)
		})
	}
}
