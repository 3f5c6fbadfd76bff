package extension_test

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sessionToken is the token of the test servers. No error may quote it.
const sessionToken = "canary-session-token-5e55"

// outside sets an environment without Lambda and without an agent.
func outside(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_LAMBDA_RUNTIME_API", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_TOKEN",
		"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT",
	} {
		t.Setenv(name, "")
	}
}

// inLambda sets the environment of a Lambda function.
func inLambda(t *testing.T) {
	t.Helper()
	outside(t)
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
	t.Setenv("AWS_SESSION_TOKEN", sessionToken)
}

// open returns a Provider with a timeout of a minute, unless o has another one.
func open(t *testing.T, o extension.Options) *extension.Provider {
	t.Helper()
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	p := extension.New(&o)
	p.SetTokenFile(filepath.Join(t.TempDir(), "none"))
	return p
}

// serve starts a server.
func serve(t *testing.T, h http.HandlerFunc) (endpoint string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// respondWith returns a handler with one response.
func respondWith(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// A fake behaves as the documentation and recordings of the Lambda extension say. Its
// secrets are in memory.
type fake struct {
	store providertest.Map

	mu     sync.Mutex
	broken int // calls of Break that are not restored
}

// Break makes the fake close the connection of every request.
func (f *fake) Break() (restore func()) {
	f.add(1)
	return func() { f.add(-1) }
}

func (f *fake) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken += n
}

func (f *fake) isBroken() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken > 0
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case f.isBroken():
		panic(http.ErrAbortHandler)
	case r.Header.Get("X-Aws-Parameters-Secrets-Token") != sessionToken:
		respondWith(http.StatusBadRequest, "bad session token or header key")(w, r)
		return
	case r.URL.Path != "/secretsmanager/get" || query.Get("secretId") == "":
		respondWith(http.StatusNotFound, "404 page not found")(w, r)
		return
	}
	id := query.Get("secretId")
	secret, err := f.store.Get(r.Context(), hush.Ref{
		Name: id, Version: query.Get("versionId"), Stage: query.Get("versionStage"),
	})
	if err != nil {
		respondWith(http.StatusBadRequest, "an unexpected error occurred while executing request")(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(output(id, secret))
}

// output returns the output of the SDK as the extension encodes it.
func output(id string, secret hush.Secret) map[string]any {
	out := map[string]any{
		"ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:" + id + "-AbCdEf", "Name": id,
		"CreatedDate": secret.Created.UTC().Format("2006-01-02T15:04:05.000Z"),
		"VersionId":   secret.Version, "VersionStages": secret.Stages, "ResultMetadata": map[string]any{},
		"SecretBinary": nil, "SecretString": nil,
	}
	if value := secret.Value.Reveal(); utf8.ValidString(value) {
		out["SecretString"] = value
	} else {
		out["SecretBinary"] = []byte(value)
	}
	return out
}

// body returns the body of a 200 for the secret "db", with more members.
func body(members ...string) string {
	return "{" + strings.Join(append([]string{`"Name":"db"`}, members...), ",") + "}"
}
