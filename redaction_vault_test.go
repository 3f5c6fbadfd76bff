package hush_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/awsauth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func vaultSubjects(t *testing.T) map[string]subject {
	t.Helper()
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Mount("secret", vaulttest.KV2)
	server.Mount("database", vaulttest.Database)
	server.Put("secret", dbProd.Name, map[string]any{"password": canary})
	server.LeaseRole("database", "app", &vaulttest.LeaseOptions{Data: func(int) map[string]any { return map[string]any{"password": canary} }})
	token := server.Token(nil)
	client := server.Client()
	client.SetToken(token)
	options := vault.Options{Auth: auth.Token(auth.Value(hush.NewValue([]byte(token))))}
	reader := vault.NewReader(client, &vault.ReaderOptions{Mounts: []string{"database"}})
	_, err = reader.Get(t.Context(), hush.Name("database/creds/app"))
	require.NoError(t, err)
	_, failed := vault.New(client, nil).Get(t.Context(), hush.Name("missing"))
	require.Error(t, failed)
	return map[string]subject{
		"vault.APIError":      holding(failed, token),
		"vault.ClientOptions": holding(vault.ClientOptions{Token: hush.NewValue([]byte(token))}, token),
		"vault.Options":       holding(options, token),
		"vault.Provider":      holding([]*vault.Provider{used(t, vault.New(client, nil)), used(t, vault.New(client, &options))}, token),
		"vault.Reader":        holding(reader, token),
		"vault.ReaderOptions": holding(vault.ReaderOptions{Auth: options.Auth}, token),
	}
}

func vaulttestSubjects(t *testing.T) map[string]subject {
	t.Helper()
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put("secret", dbProd.Name, map[string]any{"password": canary})
	token := server.Token(nil)
	client := server.Client()
	client.SetToken(token)
	used(t, vault.New(client, nil))
	return map[string]subject{
		"vault/vaulttest.Call":         holding(server.RecentCalls()[0], token),
		"vault/vaulttest.Counts":       holding(server.Counts(), token),
		"vault/vaulttest.Engine":       holding(vaulttest.KV2),
		"vault/vaulttest.Failure":      holding(vaulttest.Failure{Status: http.StatusForbidden}),
		"vault/vaulttest.Lease":        holding(vaulttest.Lease{Path: "database/creds/app"}),
		"vault/vaulttest.LeaseOptions": holding(vaulttest.LeaseOptions{TTL: time.Minute}),
		"vault/vaulttest.Operation":    holding(server.RecentCalls()[0].Operation),
		"vault/vaulttest.Options":      holding(vaulttest.Options{Now: time.Now}),
		"vault/vaulttest.Server":       holding(server, token),
		"vault/vaulttest.TokenOptions": holding(vaulttest.TokenOptions{TTL: time.Minute}),
	}
}

func authSubjects(t *testing.T) map[string]subject {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(canary), 0o600))
	t.Setenv("HUSHTEST_TOKEN", canary)
	credential := auth.Value(hush.NewValue([]byte(canary)))
	appRole := auth.AppRoleOptions{SecretID: credential}
	jwt := auth.JWTOptions{JWT: credential}
	keys := credentials.NewStaticCredentialsProvider(directtest.AccessKeyID, canary, "")
	iam := awsauth.Options{Credentials: aws.CredentialsProviderFunc(keys.Retrieve)}
	tokens := []api.AuthMethod{
		loggedIn(t, auth.Token(credential)), loggedIn(t, auth.Token(auth.Env("HUSHTEST_TOKEN"))), loggedIn(t, auth.Token(auth.File(file))),
	}
	return map[string]subject{
		"vault/auth.AppRole":        holding(loggedIn(t, auth.AppRole("app", &appRole))),
		"vault/auth.AppRoleOptions": holding(appRole),
		"vault/auth.Credential":     holding(credential),
		"vault/auth.JWT":            holding(loggedIn(t, auth.JWT("app", &jwt))),
		"vault/auth.JWTOptions":     holding(jwt),
		"vault/auth.Kubernetes":     holding(loggedIn(t, auth.Kubernetes("app", &jwt))),
		"vault/auth.Method":         holding(awsauth.Method()),
		"vault/auth.Token":          holding(tokens),
		"vault/awsauth.New":         holding(loggedIn(t, awsauth.New(&awsauth.Options{Credentials: keys}))),
		"vault/awsauth.Options":     holding(iam),
	}
}

// loggedIn returns m after a login, which gives the canary as the token.
func loggedIn(t *testing.T, m api.AuthMethod) api.AuthMethod {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"auth":{"client_token":"`+canary+`"},"data":{"ttl":3600}}`)
	}))
	t.Cleanup(server.Close)
	c := api.DefaultConfig()
	c.Address = server.URL
	client, err := api.NewClient(c)
	require.NoError(t, err)
	_, err = m.Login(t.Context(), client)
	require.NoError(t, err)
	return m
}
