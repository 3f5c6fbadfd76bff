package hush_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql/driver"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/examples/bearer"
	"github.com/hush-secrets/hush/examples/sqlconnector"
	"github.com/hush-secrets/hush/examples/tlscert"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/awsauth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

var dbProd = hush.Name("db/prod")

// subjectGroups have an instance for each of exportedHolders. The Providers have been
// used, so that they hold tokens, connections and cached secrets. A group is printed
// before the next one is made, because idle connections are closed after a few seconds.
var subjectGroups = []func(*testing.T) map[string]subject{
	coreSubjects, decoratorSubjects, configSubjects, awsSubjects, extensionSubjects, vaultSubjects, vaulttestSubjects, authSubjects, otherSubjects,
}

// used returns p after a Get of dbProd.
func used[P hush.Provider](t *testing.T, p P) P {
	t.Helper()
	secret, err := p.Get(t.Context(), dbProd)
	require.NoError(t, err)
	require.Contains(t, secret.Value.Reveal(), canary)
	return p
}

// static has the canary as dbProd.
func static() hush.Provider { return hush.Static(map[string]string{dbProd.Name: canary}) }

func coreSubjects(*testing.T) map[string]subject {
	secret := canarySecret()
	ref := dbProd.NewerThan(secret)
	err := hush.NewError("test", ref, hush.ErrDenied, nil)
	return map[string]subject{
		"Error":       holding(err),
		"Ref":         holding(ref),
		"Result":      holding(hush.Result{Secret: secret, Err: err}),
		"RetryPolicy": holding(hush.RetryPolicy{Stages: []string{"AWSPENDING"}}),
		"Scheme":      holding(env.Scheme()),
		"Secret":      holding(secret),
		"Static":      holding(static()),
		"Value":       holding(secret.Value),
	}
}

func decoratorSubjects(t *testing.T) map[string]subject {
	t.Helper()
	var call chain.Call
	breaker := chain.Breaker{Failures: 3, Wait: time.Second}
	chainOptions := chain.Options{Breaker: breaker, OnCall: func(_ context.Context, c chain.Call) { call = c }}
	link := chain.Link{Name: "static", Provider: static()}
	links := chain.New([]chain.Link{link}, &chainOptions)
	_, failure := links.Get(t.Context(), hush.Name("missing"))
	require.Error(t, failure)
	cacheOptions := cachettl.Options{StaleIfError: time.Hour}
	cache := used(t, cachettl.New(used(t, links), time.Minute, &cacheOptions))
	handle := cache.Handle(dbProd)
	_, err := handle.Get(t.Context())
	require.NoError(t, err)
	return map[string]subject{
		"agent.Handler":    holding(agent.Handler(cache, canary, nil)),
		"agent.Options":    holding(agent.Options{Allow: []string{"db/*"}}),
		"cachettl.Cache":   holding(cache),
		"cachettl.Handle":  holding(handle),
		"cachettl.Options": holding(cacheOptions),
		"cachettl.Stats":   holding(cache.Stats()),
		"chain.Breaker":    holding(breaker),
		"chain.Call":       holding(call),
		"chain.Chain":      holding(links),
		"chain.Failure":    holding(failure),
		"chain.Link":       holding(link),
		"chain.Options":    holding(chainOptions),
	}
}

func configSubjects(t *testing.T) map[string]subject {
	t.Helper()
	t.Setenv("HUSHTEST_DB_PROD", canary)
	c := config.Config{Providers: []config.Store{{URL: "env:?prefix=HUSHTEST_"}}, LogLevel: "off"}
	p, err := config.Open(t.Context(), &c, env.Scheme())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return map[string]subject{
		"config.Config":    holding(c),
		"config.Store":     holding(c.Providers[0]),
		"config.OpenStore": holding(p.Stores()[0]),
		"config.Policy":    holding(config.PolicyOutages),
		"config.Provider":  holding(used(t, p)),
		"config.Setting":   holding(config.Settings()[0]),
	}
}

func awsSubjects(t *testing.T) map[string]subject {
	t.Helper()
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put(dbProd.Name, []byte(canary))
	const secretKey = "wJalrXUtnFEMI"
	t.Setenv("AWS_ACCESS_KEY_ID", directtest.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	options := awsdirect.Options{Region: "eu-west-1", Endpoint: server.URL()}
	client := server.Client(func(o *secretsmanager.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(directtest.AccessKeyID, secretKey, "")
	})
	restore := server.Fail(directtest.Failure{Status: http.StatusBadRequest, Code: canary, Message: canary})
	_, failed := direct.New(client, nil).Get(t.Context(), dbProd)
	restore()
	require.Error(t, failed)
	return map[string]subject{
		"direct.APIError":           holding(failed),
		"direct.Options":            holding(direct.Options{}),
		"direct.Provider":           holding(used(t, direct.New(client, nil)), secretKey),
		"direct/awsdirect.Options":  holding(options),
		"direct/awsdirect.Provider": holding(used(t, awsdirect.New(&options)), secretKey),
		"direct/directtest.Call":    holding(directtest.Call{Name: dbProd.Name}),
		"direct/directtest.Failure": holding(directtest.Failure{Status: http.StatusBadRequest}),
		"direct/directtest.Options": holding(directtest.Options{}),
		"direct/directtest.Server":  holding(server),
	}
}

func extensionSubjects(t *testing.T) map[string]subject {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("secretId") != dbProd.Name {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"`+canary+`","message":"`+canary+`"}`)
			return
		}
		_, _ = io.WriteString(w, `{"SecretString":"`+canary+`"}`)
	}))
	t.Cleanup(server.Close)
	const token = "tok-9f2Lq7"
	options := extension.Options{Endpoint: server.URL, Token: func(context.Context) (string, error) { return token, nil }}
	_, failed := extension.New(&options).Get(t.Context(), hush.Name("missing"))
	require.Error(t, failed)
	return map[string]subject{
		"extension.APIError": holding(failed, token),
		"extension.Options":  holding(options, token),
		"extension.Provider": holding(used(t, extension.New(&options)), token),
	}
}

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

func otherSubjects(t *testing.T) map[string]subject {
	t.Helper()
	t.Setenv("HUSHTEST_DB_PROD", canary)
	var inMemory providertest.Map
	inMemory.Put(dbProd.Name, []byte(canary))
	secret := canarySecret()
	step := providertest.Step{Secret: &secret}
	inMemory.Script(step)
	pair, privateKey := keyPair(t)
	open := func(context.Context, sqlconnector.Login) (driver.Conn, error) { return nil, driver.ErrBadConn }
	return map[string]subject{
		"env.Options":                     holding(env.Options{Prefix: "HUSHTEST_"}),
		"env.Provider":                    holding(used(t, env.New(&env.Options{Prefix: "HUSHTEST_"}))),
		"examples/bearer.Transport":       holding(bearer.New(static(), dbProd, "https://api.example.com", nil)),
		"examples/sqlconnector.Connector": holding(sqlconnector.New(static(), dbProd, nil, open, hush.RetryPolicy{})),
		"examples/sqlconnector.Login":     holding(sqlconnector.Login{Username: "app", Password: hush.NewValue([]byte(canary))}),
		"examples/tlscert.Pair":           holding(pair, privateKey),
		"providertest.Harness":            holding(providertest.Harness{Provider: &inMemory}),
		"providertest.Map":                holding(&inMemory),
		"providertest.Step":               holding(step),
	}
}

// keyPair returns a Pair that has been used, and a part of its private key as printers
// show it.
func keyPair(t *testing.T) (pair *tlscert.Pair, privateKey string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})...)
	pair = tlscert.New(hush.Static(map[string]string{dbProd.Name: string(text)}), dbProd, nil)
	held, err := pair.Get(t.Context())
	require.NoError(t, err)
	d, err := held.PrivateKey.(*ecdsa.PrivateKey).Bytes()
	require.NoError(t, err)
	return pair, fmt.Sprint(uint(new(big.Int).SetBytes(d).Bits()[0])) // as printers show the number
}
