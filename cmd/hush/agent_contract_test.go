package main_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

const getPath = "/secretsmanager/get?secretId="

// Package agent has the table of all checks. This is a row for each of them.
func TestAgentChecksRequests(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("hunter2"))
	a := startAgent(t, vars)
	wrong := []string{"X-Aws-Parameters-Secrets-Token", agentToken + "x"}
	for _, c := range []struct {
		method, target string
		headers        []string
		status         int
		body           string
	}{
		{"GET", "/ping", wrong, 200, "healthy"},
		{"GET", getPath + "db", []string{"X-Forwarded-For", "10.0.0.1"}, 400, "Forwarded"},
		{"GET", getPath + "db", []string{"X-Aws-Parameters-Secrets-Token", ""}, 403, "Bad Token"},
		{"GET", getPath + "db", wrong, 403, "Bad Token"},
		{"GET", "/v1/db", wrong, 403, "Bad Token"},
		{"POST", getPath + "db", nil, 405, "Not allowed"},
		{"GET", "/nowhere", nil, 404, "Not found"},
		{"GET", getPath + "db&x=1", nil, 400, "unknown parameter: x"},
	} {
		got := a.ask(t, c.method, c.target, c.headers...)
		assert.Equal(t, c.status, got.status, "%s %s %q", c.method, c.target, c.headers)
		assert.Equal(t, c.body, got.body, "%s %s %q", c.method, c.target, c.headers)
		assert.NotContains(t, got.header, "Content-Type", "%s %s", c.method, c.target)
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
	check := func(target string, status int, kind string) {
		t.Helper()
		got := a.ask(t, "GET", target)
		assert.Equal(t, status, got.status, "%s: %s", target, got.body)
		assert.Equal(t, kind, members(t, got)["__type"], target)
		assert.NotEmpty(t, members(t, got)["message"])
		assert.NotContains(t, got.body, "canary")
		assert.NotContains(t, got.header, "Content-Type")
	}
	check(getPath+"dmissing", 400, "ResourceNotFoundException")
	check(getPath+"db&versionId=00000000-0000-0000-0000-000000000000", 400, "ResourceNotFoundException")
	check(getPath+"db&versionStage=NONE", 400, "ResourceNotFoundException")
	check(getPath+"d%0A", 400, "InvalidParameterException")
	check(getPath+"denied", 400, "AccessDeniedException")
	check(getPath+"other", 400, "AccessDeniedException")
	check("/v1/d/b", 400, "AccessDeniedException")
	for code, kind := range map[string]string{
		"ThrottlingException": "ThrottlingException", "ExpiredTokenException": "ExpiredTokenException", "DecryptionFailure": "AccessDeniedException",
	} {
		restore := store.Fail(directtest.Failure{Code: code, Message: "canary"})
		check(getPath+"db", 400, kind)
		restore()
	}
	restore := store.Break()
	check(getPath+"db", 503, "InternalFailure")
	restore()
	// These failures do not open the breaker.
	assert.Equal(t, 200, a.ask(t, "GET", getPath+"db").status)
}
