package main_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	hushpkg "github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/internal/test/agentprotocol"
)

const getPath = "/secretsmanager/get?secretId="

func TestAgentRejectsRequests(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("hunter2"))
	a := startAgent(t, vars)
	for _, test := range agentprotocol.Cases(agentToken) {
		t.Run(test.Name, func(t *testing.T) {
			r := a.request(t, test.Method, test.Target)
			r.Header = http.Header{}
			for name, value := range test.Headers {
				r.Header.Set(name, value)
			}
			got := send(t, http.DefaultTransport, r)
			assert.Equal(t, test.Status, got.status)
			assert.Equal(t, test.Body, got.body)
			assert.NotContains(t, got.header, "Content-Type")
		})
	}
	assert.Zero(t, store.Calls(directtest.Call{}), "no rejected request reaches the store")
	assert.Contains(t, a.ask(t, "GET", getPath+"db", "X-Aws-Parameters-Secrets-Token", "", "X-Vault-Token", agentToken).body, "hunter2")
}

// The limit is checked before everything else.
func TestAgentLimitsConcurrentRequests(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("hunter2"))
	release := store.Hang()
	defer release()
	a := startAgent(t, vars, "--max-conn", "1")
	held := a.start(t, getPath+"db")
	requireEventually(t, "the store gets a request", func() bool { return store.Calls(directtest.Call{}) > 0 })

	kept := &http.Transport{MaxConnsPerHost: 1}
	defer kept.CloseIdleConnections()
	for _, headers := range [][]string{nil, {"X-Forwarded-For", "1"}, {"X-Aws-Parameters-Secrets-Token", "wrong"}} {
		got := send(t, kept, a.request(t, "GET", "/v1/db", headers...))
		assert.Equal(t, http.StatusTooManyRequests, got.status)
		assert.Equal(t, "Connection limit exceeded", got.body)
	}
	assert.Equal(t, "healthy", a.ask(t, "GET", "/ping").body)
	release()
	assert.Equal(t, http.StatusOK, (<-held).status)
	// A later request on the same connection succeeds.
	requireEventually(t, "200", func() bool { return send(t, kept, a.request(t, "GET", "/v1/db")).status == 200 })
}

func TestAgentParameters(t *testing.T) {
	store, vars := startStore(t)
	store.Put("a+b/c!", []byte("plus"))
	store.Put("A+b/c!", []byte("capital"))
	old := store.Put("db/prod", []byte("one"))
	finish := store.Rotate("db/prod", []byte("two"))
	finish()
	a := startAgent(t, vars)
	for target, want := range map[string]string{
		getPath + "a%2Bb/c!":                                       "plus",
		getPath + "A%2Bb%2Fc%21":                                   "capital",
		"/v1/a+b/c!":                                               "plus",
		getPath + "db/prod":                                        "two",
		getPath + "nowhere&secretId=db/prod":                       "two",
		getPath + "db/prod&versionStage=AWSCURRENT":                "two",
		getPath + "db/prod&versionStage=AWSPREVIOUS":               "one",
		getPath + "db/prod&versionId=" + old:                       "one",
		"/v1/db/prod?versionStage=AWSPREVIOUS":                     "one",
		"/v1/db/prod?versionId=" + old:                             "one",
		getPath + "db/prod&refreshNow=TRUE":                        "two",
		getPath + "db/prod&refreshNow=1&versionStage=AWSPREVIOUS":  "one",
		getPath + "db/prod&refreshNow=False":                       "two",
		getPath + "db/prod&refreshNow=0":                           "two",
		getPath + url.QueryEscape(store.ARN("db/prod")):            "two",
		"/v1/" + store.ARN("db/prod"):                              "two",
		getPath + "db/prod&versionId=" + old + "&versionId=" + old: "one",
	} {
		got := a.ask(t, "GET", target)
		require.Equal(t, 200, got.status, "%s: %s", target, got.body)
		assert.Equal(t, want, members(t, got)["SecretString"], target)
	}
	// A path is not unescaped.
	assert.Contains(t, a.ask(t, "GET", "/v1/a%2Bb/c!").body, `"__type":"ResourceNotFoundException"`)
	assert.Equal(t, a.ask(t, "GET", getPath+"db/prod").body, a.ask(t, "GET", "/v1/db/prod").body, "path and query return the same body")
}

func members(t *testing.T, got reply) map[string]any {
	t.Helper()
	var all map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.body), &all), got.body)
	return all
}

func TestAgentResponseBodies(t *testing.T) {
	store, vars := startStore(t)
	version := store.Put("text", []byte(`{"user":"app","password":"<&>"}`))
	store.Put("binary", []byte{0, 0xff, 1})
	store.Put("large", []byte(strings.Repeat("\x01", 60<<10)))
	a := startAgent(t, vars)

	text := a.ask(t, "GET", getPath+"text")
	assert.NotContains(t, text.header, "Content-Type")
	got := members(t, text)
	assert.Regexp(t, `^[0-9]+(\.[0-9]+)?$`, got["CreatedDate"], "a decimal string")
	delete(got, "CreatedDate")
	assert.Equal(t, map[string]any{
		"ARN": nil, "Name": "text", "VersionId": version, "SecretString": `{"user":"app","password":"<&>"}`, "VersionStages": []any{"AWSCURRENT"},
	}, got)

	got = members(t, a.ask(t, "GET", getPath+url.QueryEscape(store.ARN("binary"))))
	assert.Equal(t, store.ARN("binary"), got["ARN"])
	assert.Equal(t, "AP8B", got["SecretBinary"])
	assert.NotContains(t, got, "SecretString")
	assert.NotContains(t, got, "ResultMetadata")

	large := a.ask(t, "GET", getPath+"large")
	assert.Equal(t, strings.Repeat("\x01", 60<<10), members(t, large)["SecretString"])
}

func TestAgentErrorResponses(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("hunter2"))
	store.Deny("denied")
	a := startAgent(t, vars, "--allow", "d*")
	assertError := func(target string, class hushpkg.Class) {
		t.Helper()
		got := a.ask(t, "GET", target)
		want := agentprotocol.Errors[class]
		assert.Equal(t, want.Status, got.status, "%s: %s", target, got.body)
		assert.Equal(t, want.Type, members(t, got)["__type"], target)
		assert.NotEmpty(t, members(t, got)["message"])
		assert.NotContains(t, got.body, "canary")
		assert.NotContains(t, got.header, "Content-Type")
	}
	assertError(getPath+"dmissing", hushpkg.ErrNotFound)
	assertError(getPath+"db&versionId=00000000-0000-0000-0000-000000000000", hushpkg.ErrNotFound)
	assertError(getPath+"db&versionStage=NONE", hushpkg.ErrNotFound)
	assertError(getPath+"d%0A", hushpkg.ErrInvalidRef)
	assertError(getPath+"denied", hushpkg.ErrDenied)
	assertError(getPath+"other", hushpkg.ErrDenied)
	assertError("/v1/d/b", hushpkg.ErrDenied)
	for code, class := range map[string]hushpkg.Class{
		"ThrottlingException": hushpkg.ErrThrottled, "ExpiredTokenException": hushpkg.ErrUnauthenticated, "DecryptionFailure": hushpkg.ErrDenied,
	} {
		restore := store.Fail(directtest.Failure{Code: code, Message: "canary"})
		assertError(getPath+"db", class)
		restore()
	}
	restore := store.Break()
	assertError(getPath+"db", hushpkg.ErrUnavailable)
	restore()
	// These failures do not open the breaker.
	assert.Equal(t, 200, a.ask(t, "GET", getPath+"db").status)
}
