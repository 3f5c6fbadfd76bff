package auth_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/auth"
)

func TestKubernetesReadsTheJWTForEachLogin(t *testing.T) {
	s := newLoginServer(t)
	path := newFile(t, "first\n")
	method := auth.Kubernetes("app", &auth.JWTOptions{JWT: auth.File(path)})
	assert.Equal(t, "new-token", s.requireLogin(t, method))
	// As the kubelet does it: a new file under the old name.
	require.NoError(t, os.Rename(newFile(t, "second"), path))
	s.requireLogin(t, method)
	calls := s.asked("auth/kubernetes/login")
	require.Len(t, calls, 2)
	assert.Equal(t, map[string]any{"role": "app", "jwt": "first"}, calls[0].body)
	assert.Equal(t, map[string]any{"role": "app", "jwt": "second"}, calls[1].body)
	assert.Empty(t, calls[1].token)
}

func TestKubernetesOutsideAPod(t *testing.T) {
	s := newLoginServer(t)
	s.requireFailure(t, auth.Kubernetes("app", nil), hush.ErrUnauthenticated,
		`the file "/var/run/secrets/kubernetes.io/serviceaccount/token" with the JWT does not exist`)
	s.requireFailure(t, auth.Kubernetes("", nil), hush.ErrUnauthenticated, "no role")
	assert.Empty(t, s.asked(""))
}

func TestJWT(t *testing.T) {
	t.Setenv("HUSHTEST_JWT", "of the variable")
	for want, opts := range map[string]*auth.JWTOptions{
		"of Options":      {JWT: auth.Value(hush.NewValue([]byte("of Options\n")))},
		"of the file":     {JWT: auth.File(newFile(t, "of the file\n"))},
		"of the variable": {JWT: auth.Env("HUSHTEST_JWT")},
	} {
		t.Run(want, func(t *testing.T) {
			s := newLoginServer(t)
			s.requireLogin(t, auth.JWT("", opts))
			s.requireLogin(t, auth.JWT("ci", opts))
			s.requireLogin(t, auth.Kubernetes("ci", opts))
			calls := s.asked("")
			require.Len(t, calls, 3)
			assert.Equal(t, "auth/jwt/login", calls[0].path)
			assert.Equal(t, map[string]any{"jwt": want}, calls[0].body, "the default role")
			assert.Equal(t, map[string]any{"jwt": want, "role": "ci"}, calls[1].body)
			assert.Equal(t, "auth/kubernetes/login", calls[2].path)
		})
	}
}

func TestJWTRejectsInvalidOptions(t *testing.T) {
	for want, jwt := range map[string]auth.Credential{
		`"HUSHTEST_NOT_SET" with the JWT is not set`: auth.Env("HUSHTEST_NOT_SET"),
		"the JWT is not a single line of text":       auth.Value(canaryValue("\nx")),
	} {
		t.Run(want, func(t *testing.T) {
			s := newLoginServer(t)
			s.requireFailure(t, auth.JWT("", &auth.JWTOptions{JWT: jwt}), hush.ErrUnauthenticated, want)
			s.requireFailure(t, auth.Kubernetes("app", &auth.JWTOptions{JWT: jwt}), hush.ErrUnauthenticated, want)
			assert.Empty(t, s.asked(""))
		})
	}
	s := newLoginServer(t)
	s.requireFailure(t, auth.JWT("ci", nil), hush.ErrUnauthenticated, "set JWTOptions.JWT")
}
