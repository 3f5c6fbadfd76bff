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

// An illness is a real fault of a store, and what the doctor is to say of it.
type illness struct {
	provider string
	vars     []string
	ref      string
	answer   string
	reached  string
	signedIn string
	advice   string
}

// ask checks what the doctor says of the first store.
func (i illness) ask(t *testing.T) {
	t.Helper()
	var args []string
	if i.ref != "" {
		args = []string{i.ref}
	}
	report, got := doctor(t, i.vars, i.provider, args...)
	l := report.Stores[0]
	assert.Equal(t, i.answer, l.Result, "%s %q: %s", i.provider, i.vars, l.Error)
	assert.Equal(t, i.reached+" "+i.signedIn, l.Reached+" "+l.Authenticated, "%s: %s", i.provider, l.Error)
	assert.Contains(t, l.Advice, i.advice, i.provider)
	assert.NotContains(t, got.stdout, "canary")
	if i.ref == "" && i.answer == "denied" {
		assert.True(t, l.OK, "what a policy does not allow is no illness")
	}
}

// deadPort returns a port that nobody listens on.
func deadPort(t *testing.T) string {
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

// says answers everybody with a status and a text.
func says(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) })
}

func TestDoctorOnTheExtension(t *testing.T) {
	lambda := []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "AWS_SESSION_TOKEN=canary"}
	outside := []string{"AWS_TOKEN=canary"}
	at := func(port string, vars []string) []string {
		return append([]string{"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + port}, vars...)
	}
	secrets := hushpkg.Static(map[string]string{"db": "x"})
	dead := deadPort(t)
	allowing := serve(t, agent.Handler(secrets, "canary", &agent.Options{Allow: []string{"other"}}))
	generic := serve(t, says(400, "an unexpected error occurred while executing request"))
	full := serve(t, says(429, "Connection limit exceeded"))
	strict := serve(t, agent.Handler(secrets, "another", nil))
	ill, early, silly := serve(t, says(500, "canary")), serve(t, says(400, "not ready to serve traffic, please wait")), serve(t, says(200, "canary"))
	lambdas := serve(t, says(400, "bad session token or header key"))
	for _, i := range []illness{
		{vars: nil, answer: "absent", reached: "no", signedIn: "unknown", advice: "nothing if you do not use an extension"},
		{vars: at(dead, outside), answer: "unavailable", reached: "no", signedIn: "unknown", advice: "start the agent ('hush agent'"},
		{vars: at(dead, lambda), answer: "unavailable", reached: "no", signedIn: "unknown", advice: "attach the layer"},
		{vars: at(strict, outside), answer: "unauthenticated", reached: "yes", signedIn: "no", advice: "set AWS_TOKEN to the token"},
		{vars: at(lambdas, lambda), answer: "unauthenticated", reached: "yes", signedIn: "no", advice: "leave AWS_SESSION_TOKEN"},
		{vars: at(full, outside), answer: "throttled", reached: "yes", signedIn: "unknown", advice: "--max-conn"},
		{vars: at(generic, lambda), answer: "refused", reached: "yes", signedIn: "yes", advice: "run 'hush doctor REF'"},
		{vars: at(generic, lambda), ref: "db", answer: "refused", reached: "yes", signedIn: "yes", advice: "check the result of direct"},
		{vars: at(allowing, outside), answer: "denied", reached: "yes", signedIn: "yes", advice: "run 'hush doctor REF'"},
		{vars: at(allowing, outside), ref: "db?version=1", answer: "denied", reached: "yes", signedIn: "yes", advice: "in the agent's --allow"},
		{vars: at(allowing, outside), ref: "db", answer: "denied", reached: "yes", signedIn: "yes", advice: "in the agent's --allow"},
		{vars: at(ill, outside), answer: "unavailable", reached: "yes", signedIn: "unknown", advice: "is not an agent, or it fails"},
		{vars: at(ill, lambda), answer: "unavailable", reached: "yes", signedIn: "unknown", advice: "read the extension's log"},
		{vars: at(early, lambda), answer: "refused", reached: "yes", signedIn: "unknown", advice: "during initialization"},
		{vars: at(silly, outside), answer: "unavailable", reached: "yes", signedIn: "unknown", advice: "is not an agent, or it fails"},
		{vars: at(strings.Repeat("9", 5), outside[:0]), answer: "", advice: ""},
	} {
		if i.provider = "extension"; i.answer != "" {
			i.ask(t)
			continue
		}
		assert.Equal(t, 2, hush(t, i.vars, "doctor", "--provider", "extension").code, "it cannot be opened")
	}
}

// TestDoctorOnAnAgentsStore has the agent answer for a store that does not.
func TestDoctorOnAnAgentsStore(t *testing.T) {
	for class, elsewhere := range map[hushpkg.Class]string{
		hushpkg.ErrUnavailable: "the agent's configuration", hushpkg.ErrUnauthenticated: "the agent's configuration",
		hushpkg.ErrThrottled: "the agent's configuration", hushpkg.ErrAbsent: "the agent's configuration",
		hushpkg.ErrRefused: "the agent's configuration", hushpkg.ErrUnsupported: "remove the part",
		hushpkg.ErrNotFound: "create the secret", hushpkg.ErrDenied: "in the agent's --allow",
	} {
		port := serve(t, agent.Handler(hushpkg.ProviderFunc(func(_ context.Context, ref hushpkg.Ref) (hushpkg.Secret, error) {
			return hushpkg.Secret{}, hushpkg.NewError("x", ref, class, nil)
		}), "canary", nil))
		illness{
			provider: "extension", vars: []string{"AWS_TOKEN=canary", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + port},
			ref: "db", answer: class.Error(), reached: "yes", signedIn: "yes", advice: elsewhere,
		}.ask(t)
	}
}

func TestDoctorOnSecretsManager(t *testing.T) {
	store, vars := startStore(t)
	store.Deny("denied")
	absent := func(advice string, vars ...string) illness {
		return illness{vars: vars, answer: "absent", reached: "no", signedIn: "unknown", advice: advice}
	}
	for _, i := range []illness{
		absent("'aws sso login'"),
		absent("task role", "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/canary"),
		absent("service account a role", "KUBERNETES_SERVICE_HOST=10.0.0.1"),
		absent("by OIDC", "CI=true"),
		absent("'aws sso login'", "CI=false"),
		absent("as Lambda sets them", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001"),
		absent("direct:?region=eu-west-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=canary"),
		{vars: []string{"AWS_REGION=x y", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=canary"}, answer: "unavailable", reached: "unknown", signedIn: "unknown", advice: "direct:?region=eu-west-1"},
		{vars: []string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=x"}, answer: "unauthenticated", reached: "unknown", signedIn: "no", advice: "set both"},
		{vars: []string{"AWS_PROFILE=nope"}, answer: "unauthenticated", reached: "unknown", signedIn: "no", advice: "check AWS_PROFILE"},
		{
			vars:   []string{"AWS_REGION=eu-west-1", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:" + deadPort(t)},
			answer: "unavailable", reached: "unknown", signedIn: "unknown", advice: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or",
		},
		{vars: vars, ref: "arn:aws:nothing", answer: "not found", reached: "unknown", signedIn: "unknown", advice: "the whole ARN"},
		{vars: vars, ref: "missing", answer: "not found", reached: "yes", signedIn: "yes", advice: "the whole ARN"},
		{vars: vars, ref: "denied", answer: "denied", reached: "yes", signedIn: "yes", advice: "kms:Decrypt"},
	} {
		i.provider = "direct"
		i.ask(t)
	}
	for code, i := range map[string]illness{
		"ExpiredTokenException": {answer: "unauthenticated", reached: "yes", signedIn: "no", advice: "renew or correct the credentials"},
		"ThrottlingException":   {answer: "throttled", reached: "yes", signedIn: "unknown", advice: "send fewer requests"},
		"InternalServiceError":  {answer: "unavailable", reached: "yes", signedIn: "unknown", advice: "a server responds, but it fails"},
		"AccessDeniedException": {answer: "denied", reached: "yes", signedIn: "yes", advice: "run 'hush doctor REF'"},
	} {
		status := 400
		if code == "InternalServiceError" {
			status = 500
		}
		restore := store.Fail(directtest.Failure{Code: code, Status: status, Message: "canary"})
		i.provider, i.vars = "direct", vars
		i.ask(t)
		restore()
	}
	defer store.Break()()
	illness{
		provider: "direct", vars: vars, answer: "unavailable", reached: "no", signedIn: "unknown", advice: "needs a VPC endpoint",
	}.ask(t)
}

func TestDoctorOnVault(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.Put("secret", "db", map[string]any{"a": "canary"})
	server.Deny("secret", "denied")
	roleID, _ := server.AppRole("approle", "app", nil)
	url := "vault://" + server.Addr() + "/secret?tls=false"
	valid := []string{"VAULT_TOKEN=" + server.Token(nil)}
	for _, i := range []illness{
		{provider: "vault", answer: "absent", reached: "no", signedIn: "unknown", advice: "set VAULT_ADDR"},
		{provider: url, vars: valid, answer: "not found", reached: "yes", signedIn: "yes", advice: ""},
		{provider: url, vars: valid, ref: "missing", answer: "not found", reached: "yes", signedIn: "yes", advice: "check the mount"},
		{provider: url, vars: valid, ref: "denied", answer: "denied", reached: "yes", signedIn: "yes", advice: "read the path"},
		{provider: url, vars: []string{"VAULT_TOKEN=canary"}, answer: "unauthenticated", reached: "yes", signedIn: "no", advice: "without auth, check VAULT_TOKEN"},
		{
			provider: url + "&auth=approle&role_id=" + roleID + "&secret_id_env=ID", vars: []string{"ID=canary"},
			answer: "unauthenticated", reached: "yes", signedIn: "no", advice: "the parameter auth",
		},
		{provider: "vault://" + server.Addr() + "?tls=false&mounts=secret", vars: valid, answer: "not found", reached: "yes", signedIn: "yes", advice: ""},
	} {
		i.ask(t)
	}
	throttled := server.Throttle(0, 0)
	illness{provider: url, vars: valid, answer: "throttled", reached: "yes", signedIn: "unknown", advice: "quota"}.ask(t)
	throttled()
	restore := server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: 405, Errors: []string{"canary"}})
	illness{provider: url, vars: valid, answer: "refused", reached: "yes", signedIn: "yes", advice: "does not accept the request"}.ask(t)
	restore()
	restore = server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: 403, Errors: []string{"canary"}})
	illness{provider: url, vars: valid, answer: "denied", reached: "yes", signedIn: "yes", advice: "run 'hush doctor REF'"}.ask(t)
	restore()
	server.Seal()
	illness{provider: url, vars: valid, answer: "unavailable", reached: "yes", signedIn: "unknown", advice: "whether Vault is sealed"}.ask(t)
	server.Unseal()
	defer server.Break()()
	illness{provider: url, vars: valid, answer: "unavailable", reached: "no", signedIn: "unknown", advice: "check the address"}.ask(t)
}

// TestDoctorOnAMountThatIsNotThere is ill whatever REF would be, and without Options.
func TestDoctorOnAMountThatIsNotThere(t *testing.T) {
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

func TestDoctorOnTheEnvironment(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	require.NoFileExists(t, missing)
	for _, i := range []illness{
		{ref: "db", answer: "not found", reached: "yes", signedIn: "none", advice: "set the variable"},
		{ref: "db?version=1", answer: "unsupported", reached: "yes", signedIn: "none", advice: "no versions"},
		{ref: "db", vars: []string{"DB_FILE=" + missing}, answer: "unavailable", reached: "yes", signedIn: "none", advice: "an existing regular file"},
		{ref: "db", vars: []string{"DB=canary", "DB_FILE=" + os.DevNull}, answer: "unavailable", reached: "yes", signedIn: "none", advice: "set either"},
	} {
		i.provider = "env:?files=true"
		i.ask(t)
	}
}
