package main_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	hushpkg "github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// A failureCase is a failure of a store, and what doctor should report.
type failureCase struct {
	provider      string
	vars          []string
	ref           string
	result        string
	reached       string
	authenticated string
	advice        string
}

// check checks what doctor reports for the first store.
func (i failureCase) check(t *testing.T) {
	t.Helper()
	var args []string
	if i.ref != "" {
		args = []string{i.ref}
	}
	report, got := doctor(t, i.vars, i.provider, args...)
	l := report.Stores[0]
	assert.Equal(t, i.result, l.Result, "%s %q: %s", i.provider, i.vars, l.Error)
	assert.Equal(t, i.reached+" "+i.authenticated, l.Reached+" "+l.Authenticated, "%s: %s", i.provider, l.Error)
	assert.Contains(t, l.Advice, i.advice, i.provider)
	assert.NotContains(t, got.stdout, "canary")
	if i.ref == "" && i.result == "denied" {
		assert.True(t, l.OK, "a policy that restricts names is not a failure")
	}
}

// closedPort returns a port that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return port
}

func serve(t *testing.T, h http.Handler) (port string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	return port
}

// respondWith responds to each request with a status and a text.
func respondWith(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) })
}

func TestDoctorAdvisesOnExtension(t *testing.T) {
	lambda := []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "AWS_SESSION_TOKEN=canary"}
	outside := []string{"AWS_TOKEN=canary"}
	at := func(port string, vars []string) []string {
		return append([]string{"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + port}, vars...)
	}
	secrets := hushpkg.Static(map[string]string{"db": "x"})
	dead := closedPort(t)
	allowing := serve(t, agent.Handler(secrets, "canary", &agent.Options{Allow: []string{"other"}}))
	generic := serve(t, respondWith(400, "an unexpected error occurred while executing request"))
	full := serve(t, respondWith(429, "Connection limit exceeded"))
	strict := serve(t, agent.Handler(secrets, "another", nil))
	failing, starting, invalid := serve(t, respondWith(500, "canary")), serve(t, respondWith(400, "not ready to serve traffic, please wait")), serve(t, respondWith(200, "canary"))
	tokenRejected := serve(t, respondWith(400, "bad session token or header key"))
	for _, i := range []failureCase{
		{vars: nil, result: "absent", reached: "no", authenticated: "unknown", advice: "nothing if you do not use an extension"},
		{vars: at(dead, outside), result: "unavailable", reached: "no", authenticated: "unknown", advice: "start the agent ('hush agent'"},
		{vars: at(dead, lambda), result: "unavailable", reached: "no", authenticated: "unknown", advice: "attach the layer"},
		{vars: at(strict, outside), result: "unauthenticated", reached: "yes", authenticated: "no", advice: "set AWS_TOKEN to the token"},
		{vars: at(tokenRejected, lambda), result: "unauthenticated", reached: "yes", authenticated: "no", advice: "leave AWS_SESSION_TOKEN"},
		{vars: at(full, outside), result: "throttled", reached: "yes", authenticated: "unknown", advice: "--max-conn"},
		{vars: at(generic, lambda), result: "refused", reached: "yes", authenticated: "yes", advice: "run 'hush doctor REF'"},
		{vars: at(generic, lambda), ref: "db", result: "refused", reached: "yes", authenticated: "yes", advice: "check the result of direct"},
		{vars: at(allowing, outside), result: "denied", reached: "yes", authenticated: "yes", advice: "run 'hush doctor REF'"},
		{vars: at(allowing, outside), ref: "db?version=1", result: "denied", reached: "yes", authenticated: "yes", advice: "in the agent's --allow"},
		{vars: at(allowing, outside), ref: "db", result: "denied", reached: "yes", authenticated: "yes", advice: "in the agent's --allow"},
		{vars: at(failing, outside), result: "unavailable", reached: "yes", authenticated: "unknown", advice: "is not an agent, or it fails"},
		{vars: at(failing, lambda), result: "unavailable", reached: "yes", authenticated: "unknown", advice: "read the extension's log"},
		{vars: at(starting, lambda), result: "refused", reached: "yes", authenticated: "unknown", advice: "during initialization"},
		{vars: at(invalid, outside), result: "unavailable", reached: "yes", authenticated: "unknown", advice: "is not an agent, or it fails"},
		{vars: at(strings.Repeat("9", 5), outside[:0]), result: "", advice: ""},
	} {
		if i.provider = "extension"; i.result != "" {
			i.check(t)
			continue
		}
		assert.Equal(t, 2, hush(t, i.vars, "doctor", "--provider", "extension").code, "the store cannot be opened")
	}
}

// The agent works, and its own store fails.
func TestDoctorAdvisesOnAgentsStore(t *testing.T) {
	for class, elsewhere := range map[hushpkg.Class]string{
		hushpkg.ErrUnavailable: "the agent's configuration", hushpkg.ErrUnauthenticated: "the agent's configuration",
		hushpkg.ErrThrottled: "the agent's configuration", hushpkg.ErrAbsent: "the agent's configuration",
		hushpkg.ErrRefused: "the agent's configuration", hushpkg.ErrUnsupported: "remove the part",
		hushpkg.ErrNotFound: "create the secret", hushpkg.ErrDenied: "in the agent's --allow",
	} {
		port := serve(t, agent.Handler(hushpkg.ProviderFunc(func(_ context.Context, ref hushpkg.Ref) (hushpkg.Secret, error) {
			return hushpkg.Secret{}, hushpkg.NewError("x", ref, class, nil)
		}), "canary", nil))
		failureCase{
			provider: "extension", vars: []string{"AWS_TOKEN=canary", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + port},
			ref: "db", result: class.Error(), reached: "yes", authenticated: "yes", advice: elsewhere,
		}.check(t)
	}
}

func TestDoctorAdvisesOnSecretsManager(t *testing.T) {
	store, vars := startStore(t)
	store.Deny("denied")
	absent := func(advice string, vars ...string) failureCase {
		return failureCase{vars: vars, result: "absent", reached: "no", authenticated: "unknown", advice: advice}
	}
	for _, i := range []failureCase{
		absent("'aws sso login'"),
		absent("task role", "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/canary"),
		absent("service account a role", "KUBERNETES_SERVICE_HOST=10.0.0.1"),
		absent("by OIDC", "CI=true"),
		absent("'aws sso login'", "CI=false"),
		absent("as Lambda sets them", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001"),
		absent("direct:?region=eu-west-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=canary"),
		{vars: []string{"AWS_REGION=x y", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=canary"}, result: "unavailable", reached: "unknown", authenticated: "unknown", advice: "direct:?region=eu-west-1"},
		{vars: []string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=x"}, result: "unauthenticated", reached: "unknown", authenticated: "no", advice: "set both"},
		{vars: []string{"AWS_PROFILE=nope"}, result: "unauthenticated", reached: "unknown", authenticated: "no", advice: "check AWS_PROFILE"},
		{
			vars:   []string{"AWS_REGION=eu-west-1", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:" + closedPort(t)},
			result: "unavailable", reached: "unknown", authenticated: "unknown", advice: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or",
		},
		{vars: vars, ref: "arn:aws:nothing", result: "not found", reached: "unknown", authenticated: "unknown", advice: "the whole ARN"},
		{vars: vars, ref: "missing", result: "not found", reached: "yes", authenticated: "yes", advice: "the whole ARN"},
		{vars: vars, ref: "denied", result: "denied", reached: "yes", authenticated: "yes", advice: "kms:Decrypt"},
	} {
		i.provider = "direct"
		i.check(t)
	}
	for code, i := range map[string]failureCase{
		"ExpiredTokenException": {result: "unauthenticated", reached: "yes", authenticated: "no", advice: "renew or correct the credentials"},
		"ThrottlingException":   {result: "throttled", reached: "yes", authenticated: "unknown", advice: "send fewer requests"},
		"InternalServiceError":  {result: "unavailable", reached: "yes", authenticated: "unknown", advice: "a server responds, but it fails"},
		"AccessDeniedException": {result: "denied", reached: "yes", authenticated: "yes", advice: "run 'hush doctor REF'"},
	} {
		status := 400
		if code == "InternalServiceError" {
			status = 500
		}
		restore := store.Fail(directtest.Failure{Code: code, Status: status, Message: "canary"})
		i.provider, i.vars = "direct", vars
		i.check(t)
		restore()
	}
	defer store.Break()()
	failureCase{
		provider: "direct", vars: vars, result: "unavailable", reached: "no", authenticated: "unknown", advice: "needs a VPC endpoint",
	}.check(t)
}

func TestDoctorAdvisesOnVault(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put("secret", "db", map[string]any{"a": "canary"})
	server.Deny("secret", "denied")
	roleID, _ := server.AppRole("approle", "app", nil)
	url := "vault://" + server.Addr() + "/secret?tls=false"
	valid := []string{"VAULT_TOKEN=" + server.Token(nil)}
	for _, i := range []failureCase{
		{provider: "vault", result: "absent", reached: "no", authenticated: "unknown", advice: "set VAULT_ADDR"},
		{provider: url, vars: valid, result: "not found", reached: "yes", authenticated: "yes", advice: ""},
		{provider: url, vars: valid, ref: "missing", result: "not found", reached: "yes", authenticated: "yes", advice: "check the mount"},
		{provider: url, vars: valid, ref: "denied", result: "denied", reached: "yes", authenticated: "yes", advice: "read the path"},
		{provider: url, vars: []string{"VAULT_TOKEN=canary"}, result: "unauthenticated", reached: "yes", authenticated: "no", advice: "without auth, check VAULT_TOKEN"},
		{
			provider: url + "&auth=approle&role_id=" + roleID + "&secret_id_env=ID", vars: []string{"ID=canary"},
			result: "unauthenticated", reached: "yes", authenticated: "no", advice: "the parameter auth",
		},
		{provider: "vault://" + server.Addr() + "?tls=false&mounts=secret", vars: valid, result: "not found", reached: "yes", authenticated: "yes", advice: ""},
	} {
		i.check(t)
	}
	throttled := server.Fail(vaulttest.Failure{Status: http.StatusTooManyRequests})
	failureCase{provider: url, vars: valid, result: "throttled", reached: "yes", authenticated: "unknown", advice: "quota"}.check(t)
	throttled()
	restore := server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: 405, Errors: []string{"canary"}})
	failureCase{provider: url, vars: valid, result: "refused", reached: "yes", authenticated: "yes", advice: "does not accept the request"}.check(t)
	restore()
	restore = server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: 403, Errors: []string{"canary"}})
	failureCase{provider: url, vars: valid, result: "denied", reached: "yes", authenticated: "yes", advice: "run 'hush doctor REF'"}.check(t)
	restore()
	unseal := server.Seal()
	failureCase{provider: url, vars: valid, result: "unavailable", reached: "yes", authenticated: "unknown", advice: "whether Vault is sealed"}.check(t)
	unseal()
	defer server.Break()()
	failureCase{provider: url, vars: valid, result: "unavailable", reached: "no", authenticated: "unknown", advice: "check the address"}.check(t)
}

func TestDoctorAdvisesOnMissingMount(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	vars := []string{"VAULT_TOKEN=" + server.Token(nil)}
	for _, args := range [][]string{nil, {"db"}} {
		report, got := doctor(t, vars, "vault://"+server.Addr()+"/nope?tls=false", args...)
		assert.NotZero(t, got.code)
		l := report.Stores[0]
		assert.Equal(t, []string{"denied", "yes", "yes"}, []string{l.Result, l.Reached, l.Authenticated})
		assert.False(t, l.OK)
		assert.Contains(t, l.Advice, "check that the mount exists")
		assert.NotContains(t, got.stdout, "Options")
		assert.Contains(t, l.Error, "set the KV version")
		assert.NotRegexp(t, goNames, hush(t, vars, "get", "--provider", "vault://"+server.Addr()+"/nope?tls=false", "db").stderr)
	}
}

func TestDoctorAdvisesOnEnvironment(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	require.NoFileExists(t, missing)
	for _, i := range []failureCase{
		{ref: "db", result: "not found", reached: "yes", authenticated: "none", advice: "set the variable"},
		{ref: "db?version=1", result: "unsupported", reached: "yes", authenticated: "none", advice: "no versions"},
		{ref: "db", vars: []string{"DB_FILE=" + missing}, result: "unavailable", reached: "yes", authenticated: "none", advice: "an existing regular file"},
		{ref: "db", vars: []string{"DB=canary", "DB_FILE=" + os.DevNull}, result: "unavailable", reached: "yes", authenticated: "none", advice: "set either"},
	} {
		i.provider = "env:?files=true"
		i.check(t)
	}
}
