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

// sessionToken is what the servers here take, and what no error may quote.
const sessionToken = "canary-session-token-5e55"

// outside makes the environment one that is not Lambda and has no agent.
func outside(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_LAMBDA_RUNTIME_API", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_TOKEN",
		"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT",
	} {
		t.Setenv(name, "")
	}
}

// inLambda makes the environment Lambda's.
func inLambda(t *testing.T) {
	t.Helper()
	outside(t)
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
	t.Setenv("AWS_SESSION_TOKEN", sessionToken)
}

// open returns a Provider in an environment set before. No test here depends on
// how long a call takes, unless it sets a limit.
func open(t *testing.T, o extension.Options) *extension.Provider {
	t.Helper()
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	p := extension.New(&o)
	p.SetTokenFile(filepath.Join(t.TempDir(), "none"))
	return p
}

// serve answers every request with h.
func serve(t *testing.T, h http.HandlerFunc) (endpoint string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// says answers every request with one status and body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// A fake stands for the closed Lambda extension, as far as its documentation and
// recordings of it go, over a store in memory.
type fake struct {
	store providertest.Map

	mu     sync.Mutex
	broken int // breaks in force
}

// Break makes the fake hang up on every request.
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
		says(http.StatusBadRequest, "bad session token or header key")(w, r)
		return
	case r.URL.Path != "/secretsmanager/get" || query.Get("secretId") == "":
		says(http.StatusNotFound, "404 page not found")(w, r)
		return
	}
	id := query.Get("secretId")
	secret, err := f.store.Get(r.Context(), hush.Ref{
		Name: id, Version: query.Get("versionId"), Stage: query.Get("versionStage"),
	})
	if err != nil {
		says(http.StatusBadRequest, "an unexpected error occurred while executing request")(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(output(id, secret))
}

// output is the SDK's, as the extension marshals it.
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

// body is a 200's for the secret "db", with extra members before the others.
func body(members ...string) string {
	return "{" + strings.Join(append([]string{`"Name":"db"`}, members...), ",") + "}"
}
