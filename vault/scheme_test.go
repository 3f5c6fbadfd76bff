package vault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
)

func openURL(t *testing.T, text string, methods ...auth.Method) (hush.Provider, error) {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err, text)
	p, err := vault.Scheme(methods...).Open(t.Context(), u)
	if closer, ok := p.(io.Closer); ok {
		t.Cleanup(func() { _ = closer.Close() })
	}
	return p, err
}

func TestScheme(t *testing.T) {
	assert.Equal(t, "vault", vault.Scheme().Name)
	n := newNode(t, serves)
	for text, want := range map[string]string{
		"vault://HOST?tls=false&kv=1":                          "/v1/secret/app",
		"vault://HOST/?tls=false&kv=1":                         "/v1/secret/app",
		"vault://HOST/kv/team/?tls=false&kv=1":                 "/v1/kv/team/app",
		"vault://HOST,HOST/kv?tls=false&kv=1":                  "/v1/kv/app",
		"vault://localhost:1,HOST/kv?tls=false&kv=1":           "/v1/kv/app",
		"vault://HOST/kv?tls=false&kv=2&auth=token&timeout=3s": "/v1/kv/data/app",
		"vault:///kv?kv=1":                                     "/v1/kv/app",
		"vault:?kv=1":                                          "/v1/secret/app",
	} {
		t.Run(text, func(t *testing.T) {
			clearVaultVariables(t)
			t.Setenv("VAULT_TOKEN", nodeToken)
			if !strings.Contains(text, "HOST") {
				t.Setenv("VAULT_ADDR", n.URL)
			}
			p, err := openURL(t, strings.ReplaceAll(text, "HOST", n.host()))
			require.NoError(t, err, text)
			_, _ = p.Get(t.Context(), hush.Name("app"))
			asked := n.requests()
			require.NotEmpty(t, asked, text)
			assert.Equal(t, want, asked[len(asked)-1].path, text)
			assert.Equal(t, nodeToken, asked[len(asked)-1].token, text)
		})
	}
}

func TestSchemeOpensAReader(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/database/creds/app" {
			_, _ = io.WriteString(w, `{"lease_id":"database/creds/app/1","lease_duration":3600,"renewable":true,"data":{"username":"u"}}`)
			return
		}
		serves(w, r)
	})
	clearVaultVariables(t)
	t.Setenv("VAULT_TOKEN", nodeToken)
	p, err := openURL(t, "vault://"+n.host()+"?tls=false&mounts=aws,database&revoke=true")
	require.NoError(t, err)
	_, err = p.Get(t.Context(), hush.Name("database/creds/app"))
	require.NoError(t, err)
	_, err = p.Get(t.Context(), hush.Name("kv/app"))
	assert.Equal(t, hush.ErrDenied, hush.ClassOf(err))
	require.NoError(t, p.(io.Closer).Close())
	last := n.requests()[len(n.requests())-1]
	assert.Equal(t, "/v1/sys/leases/revoke", last.path)
	_, err = p.Get(t.Context(), hush.Name("database/creds/app"))
	assert.Error(t, err)
}

func TestSchemeLogsIn(t *testing.T) {
	file := newFile(t, "canary-credential")
	t.Setenv("HUSHTEST_CREDENTIAL", "canary-credential")
	for query, want := range map[string]received{
		"token_file=FILE":                      {path: "", token: "canary-credential"},
		"auth=token_file&token_file=FILE":      {path: "", token: "canary-credential"},
		"token_env=HUSHTEST_CREDENTIAL":        {path: "/v1/auth/token/lookup-self", token: "canary-credential"},
		"auth=approle&role_id=r":               {path: "/v1/auth/approle/login", body: `{"role_id":"r"}`},
		"auth=kubernetes&role=r&jwt_file=FILE": {path: "/v1/auth/kubernetes/login", body: `{"jwt":"canary-credential","role":"r"}`},
		"auth=jwt&auth_mount=ci/jwt&jwt_env=HUSHTEST_CREDENTIAL": {
			path: "/v1/auth/ci/jwt/login", body: `{"jwt":"canary-credential"}`,
		},
		"auth=approle&auth_mount=ci&role_id=r&secret_id_file=FILE": {
			path: "/v1/auth/ci/login", body: `{"role_id":"r","secret_id":"canary-credential"}`,
		},
	} {
		clearVaultVariables(t)
		n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/login") {
				_, _ = io.WriteString(w, `{"auth":{"client_token":"t","lease_duration":60}}`)
				return
			}
			serves(w, r)
		})
		p, err := openURL(t, "vault://"+n.host()+"?tls=false&kv=1&"+strings.ReplaceAll(query, "FILE", url.QueryEscape(file)))
		require.NoError(t, err, query)
		assert.Empty(t, n.requests(), "Open sends no request")
		_, err = p.Get(t.Context(), hush.Name("app"))
		require.NoError(t, err, query)
		first := n.requests()[0]
		if want.path == "" {
			want.path = "/v1/secret/app"
		}
		assert.Equal(t, want.path, first.path, query)
		assert.Equal(t, want.token, first.token, query)
		if want.body != "" {
			assert.JSONEq(t, want.body, first.body, query)
		}
	}
}

func TestSchemeWithMoreMethods(t *testing.T) {
	clearVaultVariables(t)
	fails := errors.New("no region")
	aws := auth.Method{Name: "aws", Params: []string{"role", "region"}, Open: func(params map[string]string) (api.AuthMethod, error) {
		if params["region"] == "" {
			return nil, fails
		}
		assert.Equal(t, map[string]string{"role": "r", "region": "x"}, params)
		return auth.Token(auth.Value(hush.NewValue([]byte("t")))), nil
	}}
	_, err := openURL(t, "vault://a/kv?auth=aws&role=r&region=x", aws)
	require.NoError(t, err)
	_, err = openURL(t, "vault://a/kv?auth=aws", aws)
	require.ErrorIs(t, err, fails)
	_, err = openURL(t, "vault://a/kv?auth=gcp", aws)
	assert.ErrorContains(t, err, "approle, aws, jwt, kubernetes, token, token_file")
	_, err = openURL(t, "vault://a/kv?region=x", aws)
	assert.ErrorContains(t, err, `"region" requires the parameter auth: use one of aws`)
	_, err = openURL(t, "vault://a/kv?region=x")
	assert.ErrorContains(t, err, `unknown parameter "region"`)
}

func TestSchemeWithoutAddressIsAbsent(t *testing.T) {
	clearVaultVariables(t)
	for _, text := range []string{"vault:", "vault:?mounts=database", "vault:///kv?auth=kubernetes&role=r"} {
		p, err := openURL(t, text)
		require.NoError(t, err, text)
		_, err = p.Get(t.Context(), hush.Name("app"))
		assert.Equal(t, hush.ErrAbsent, hush.ClassOf(err), text)
		assert.EqualError(t, err, `vault: "app": absent: no address of Vault: configure one, or set VAULT_ADDR`)
		_, err = p.Get(t.Context(), hush.Ref{})
		assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err))
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = p.Get(canceled, hush.Name("app"))
		assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	}
}

func TestSchemeRejectsInvalidURLs(t *testing.T) {
	clearVaultVariables(t)
	t.Setenv("VAULT_NAMESPACE", "team")
	for text, want := range map[string]string{
		"vault://hvs.hunter2@a/kv":                      "user info",
		"vault://a/kv?token=hunter2":                    "must not contain credentials",
		"vault://a/kv?secret_id=hunter2":                "must not contain credentials",
		"vault://a/kv?jwt=hunter2":                      "must not contain credentials",
		"vault:hunter2":                                 "vault://host:port/path",
		"vault://a/kv#hunter2":                          "vault://host:port/path",
		"vault:/hunter2/kv":                             "vault://host:port/path",
		"vault:user:hunter2@a/kv":                       "user info",
		"vault:/user:hunter2@a/kv":                      "user info",
		"vault:///user:hunter2@a/kv":                    "user info",
		"vault://a/kv?address=hunter2":                  "vault takes auth, auth_mount, ca_file, client_cert_file,",
		"vault://a/kv?kv=3":                             `"kv" must be 1 or 2`,
		"vault://a/kv?timeout=hunter2":                  "must be a positive duration",
		"vault://a/kv?revoke=hunter2":                   `"revoke" must be true or false`,
		"vault://a/kv?revoke=true":                      `"revoke" requires "mounts"`,
		"vault://a?mounts=database&kv=2":                `"kv" and "mounts" exclude each other`,
		"vault://a/kv?mounts=database":                  `"mounts" excludes a path`,
		"vault://a?mounts=database,":                    "empty path segment",
		"vault://a?mounts=sys":                          "is reserved for Vault itself",
		"vault://a/auth/kv":                             "is reserved for Vault itself",
		"vault://a/kv//x":                               "empty path segment",
		"vault://a/" + clientCanary + "//x":             "invalid mount: empty path segment",
		"vault://a/sys/" + clientCanary:                 "invalid mount: sys/",
		"vault://a?mounts=kv,.." + "%2F" + clientCanary: `segment ".."`,
		"vault://a/kv?auth=kubernetes&role=r&auth_mount=auth/" + clientCanary: "remove auth/",
		"vault://a/kv/../sys":                                                  `segment ".."`,
		"vault://a/kv?tls=hunter2":                                             `"tls" must be true or false`,
		"vault:?tls=false":                                                     "requires a host",
		"vault://a/kv?tls=false&ca_file=f":                                     `"ca_file" and tls=false exclude each other`,
		"vault://a/kv?ca_file=/nonexistent":                                    "the CA file does not exist",
		"vault://a/kv?client_cert_file=f":                                      "the client certificate has no key",
		"vault://a/kv?namespace=other":                                         "VAULT_NAMESPACE differs from the configured namespace",
		"vault://a,,b:1/kv":                                                    "address 2: invalid host",
		"vault://a:/kv":                                                        "invalid port",
		"vault://a/kv?role_id=r":                                               `"role_id" requires the parameter auth: use one of approle`,
		"vault://a/kv?auth=jwt&role_id=r":                                      `"role_id" is not used by auth=jwt`,
		"vault://a/kv?auth=token&token_file=f":                                 `"token_file" is not used by auth=token`,
		"vault://a/kv?token_file=f&token_env=X":                                `"token_env" requires the parameter auth`,
		"vault://a/kv?auth=token_file":                                         `"token_file" is required`,
		"vault://a/kv?auth=approle":                                            `"role_id" is required`,
		"vault://a/kv?auth=approle&role_id=r&wrapped=on":                       `"wrapped" must be true or false`,
		"vault://a/kv?auth=approle&role_id=r&wrapped=true":                     "secret_id_file or secret_id_env",
		"vault://a/kv?auth=approle&role_id=r&secret_id_file=f&secret_id_env=E": "exclude each other",
		"vault://a/kv?auth=kubernetes":                                         `"role" is required`,
		"vault://a/kv?auth=kubernetes&role=r&auth_mount=auth/k":                "remove auth/",
		"vault://a/kv?auth=jwt":                                                `"jwt_file" or "jwt_env"`,
		"vault://a/kv?auth=jwt&jwt_env=A&jwt_file=B":                           "exclude each other",
		"vault://a/kv?auth=jwt&jwt_env=A&auth_mount=../sys":                    `segment ".."`,
		"vault://a/kv?auth=hunter2":                                            "use one of approle, jwt, kubernetes, token, token_file",
		"vault://" + strings.Repeat("a:1,", 16) + "a:1/kv?auth=token":          "17 addresses exceed the limit of 16",
	} {
		t.Run(text, func(t *testing.T) {
			p, err := openURL(t, text)
			require.ErrorContains(t, err, want, text)
			assert.Nil(t, p, text)
			assert.NotContains(t, err.Error(), clientCanary, text)
		})
	}
	t.Setenv("VAULT_ADDR", "https://other:8200")
	_, err := openURL(t, "vault://a/kv")
	assert.ErrorContains(t, err, "VAULT_ADDR differs from the configured address")
}

// There are networks that encrypt by themselves.
func TestSchemeOpensHTTPForAnyHost(t *testing.T) {
	clearVaultVariables(t)
	p, err := openURL(t, "vault://vault.internal/kv?tls=false")
	require.NoError(t, err)
	assert.NotNil(t, p)
}

// FuzzScheme opens URLs that have a credential in a likely wrong place.
func FuzzScheme(f *testing.F) {
	for _, seed := range []string{
		"vault:", "vault://a:8200,b:8200/kv?kv=2", "vault://CANARY@a/kv", "vault://u:CANARY@a", "vault://a?token=CANARY",
		"vault://a?Secret_ID=CANARY&auth=approle&role_id=r", "vault://a?jwt=CANARY", "vault:?mounts=a,b&revoke=true",
		"vault://[::1]:8200/a/../b", "vault://a/%2e%2e/%00?timeout=CANARY", "vault://a?tls=false&kv=CANARY#CANARY", "vault:CANARY",
	} {
		f.Add(seed)
	}
	const canary = "hvs.CAESI-canary"
	scheme := vault.Scheme()
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(strings.ReplaceAll(text, "CANARY", canary))
		if err != nil {
			return
		}
		u.Scheme = "vault"
		p, err := scheme.Open(t.Context(), u)
		if err == nil {
			require.NotNil(t, p)
			return
		}
		query := u.Query()
		inPlace := u.User != nil || strings.Contains(u.Opaque, canary) || strings.Contains(u.Fragment, canary)
		for _, key := range []string{"token", "secret_id", "jwt", "timeout", "kv"} {
			inPlace = inPlace || strings.Contains(query.Get(key), canary)
		}
		if inPlace && strings.Count(text, "CANARY") == 1 {
			assert.Empty(t, providertest.Leaks(err, canary))
		}
	})
}
