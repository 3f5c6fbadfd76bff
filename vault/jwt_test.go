package vault_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
)

func TestKubernetesReadsTheJWTForEachLogin(t *testing.T) {
	s := newLoginServer(t)
	path := newFile(t, "first\n")
	method := vault.Kubernetes("app", &vault.JWTOptions{JWTFile: path})
	assert.Equal(t, "new-token", s.logsIn(t, method))
	// As the kubelet does it: a new file under the old name.
	require.NoError(t, os.Rename(newFile(t, "second"), path))
	s.logsIn(t, method)
	calls := s.asked("auth/kubernetes/login")
	require.Len(t, calls, 2)
	assert.Equal(t, map[string]any{"role": "app", "jwt": "first"}, calls[0].body)
	assert.Equal(t, map[string]any{"role": "app", "jwt": "second"}, calls[1].body)
	assert.Empty(t, calls[1].token)
}

func TestKubernetesOutsideAPod(t *testing.T) {
	s := newLoginServer(t)
	s.refuses(t, vault.Kubernetes("app", nil), hush.ErrUnauthenticated,
		`the file "/var/run/secrets/kubernetes.io/serviceaccount/token" with the JWT does not exist`)
	s.refuses(t, vault.Kubernetes("", nil), hush.ErrUnauthenticated, "no role")
	assert.Empty(t, s.asked(""))
}

func TestJWT(t *testing.T) {
	t.Setenv("HUSHTEST_JWT", "of the variable")
	for want, opts := range map[string]*vault.JWTOptions{
		"of Options":      {JWT: hush.NewValue([]byte("of Options\n"))},
		"of the file":     {JWTFile: newFile(t, "of the file\n")},
		"of the variable": {JWTEnv: "HUSHTEST_JWT"},
	} {
		s := newLoginServer(t)
		s.logsIn(t, vault.JWT("", opts))
		s.logsIn(t, vault.JWT("ci", opts))
		s.logsIn(t, vault.Kubernetes("ci", opts))
		calls := s.asked("")
		require.Len(t, calls, 3)
		assert.Equal(t, "auth/jwt/login", calls[0].path)
		assert.Equal(t, map[string]any{"jwt": want}, calls[0].body, "the default role")
		assert.Equal(t, map[string]any{"jwt": want, "role": "ci"}, calls[1].body)
		assert.Equal(t, "auth/kubernetes/login", calls[2].path)
	}
}

func TestJWTOptionsThatCannotWork(t *testing.T) {
	value := canaryValue("")
	for says, opts := range map[string]*vault.JWTOptions{
		"JWT and JWTFile are both set, and only one":    {JWT: value, JWTFile: "f"},
		"JWT and JWTEnv are both set, and only one":     {JWT: value, JWTEnv: "E"},
		"JWTFile and JWTEnv are both set, and only one": {JWTFile: "f", JWTEnv: "E"},
		`"HUSHTEST_NOT_SET" with the JWT is not set`:    {JWTEnv: "HUSHTEST_NOT_SET"},
		"the JWT is more than one line of text":         {JWT: canaryValue("\nx")},
	} {
		s := newLoginServer(t)
		s.refuses(t, vault.JWT("", opts), hush.ErrUnauthenticated, says)
		s.refuses(t, vault.Kubernetes("app", opts), hush.ErrUnauthenticated, says)
		assert.Empty(t, s.asked(""))
	}
	s := newLoginServer(t)
	s.refuses(t, vault.JWT("ci", nil), hush.ErrUnauthenticated, "set JWT, JWTFile or JWTEnv")
}
