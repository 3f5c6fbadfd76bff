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
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
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
