package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestGetSelectsPartsByFlag(t *testing.T) {
	c := startCloud(t)
	old := c.store.Put("db", []byte(`{"user":"old"}`))
	c.store.Put("db", []byte(`{"user":"new"}`))
	assert.Equal(t, result{stdout: "new"}, hush(t, c.vars, "get", "--provider", "direct", "--field", "user", "db"))
	assert.Equal(t, result{stdout: "old"}, hush(t, c.vars, "get", "--provider", "direct", "--stage", "AWSPREVIOUS", "--field", "/user", "db"))
	assert.Equal(t, result{stdout: `{"user":"old"}`}, hush(t, c.vars, "get", "--provider", "direct", "--version", old, "db"))
	for _, args := range [][]string{
		{"--field", "user", "db#user"},
		{"--version", old, "db?version=" + old},
		{"--stage", "AWSCURRENT", "db?stage=AWSPREVIOUS"},
		{"--field", "", "db"}, // such as the value of an unset variable
		{"--format", "yaml", "db"},
		{"--var-prefix", "", "db"},
		{"--var-prefix", "A", "--format", "json", "db"},
		{"--var-prefix", "A-", "--format", "env", "db"},
		{"--var-prefix", "1", "--format", "env", "db"},
	} {
		got := hush(t, c.vars, append([]string{"get"}, args...)...)
		assert.Equal(t, 2, got.code, args)
		assert.Empty(t, got.stdout)
	}
}

func TestGetFormats(t *testing.T) {
	vars := []string{"DB_PROD=" + `{"user":"app","port":5432,"no":null,"tls":{"on":true}}`, "API=it's <&> \u2028 é", "X_1=plain/text+1=", "NL=a\nb\n", "EMPTY="}
	get := func(args ...string) result {
		t.Helper()
		return hush(t, vars, append([]string{"get", "--provider", "env", "--format"}, args...)...)
	}
	assert.Equal(t, result{stdout: "export no='null'\nexport port='5432'\nexport tls='{\"on\":true}'\nexport user='app'\n"}, get("shell", "--var-prefix", "", "db/prod"))
	assert.Equal(t, result{stdout: "DB_no=null\nDB_port=5432\nDB_tls='{\"on\":true}'\nDB_user=app\nDB_EMPTY=\nE=\n"}, get("env", "--var-prefix=DB_", "db/prod", "empty", "E=empty"))
	assert.Equal(t, result{stdout: "export DB_PROD_USER='app'\nexport API='it'\\''s <&> \u2028 é'\nexport _1X='x'\n"}, hush(t, append(vars, "1X=x"),
		"get", "--provider", "env", "--format", "shell", "hush://db/prod#user", "api", "1x"))
	assert.Equal(t, result{stdout: "export WHOLE='" + `{"user":"app","port":5432,"no":null,"tls":{"on":true}}` + "'\n"}, get("shell", "WHOLE=db/prod"))
	assert.Equal(t, result{stdout: "A='it'\\''s <&> \u2028 é'\nB=plain/text+1=\nC=\nDB_PROD_TLS_ON=true\n"}, get("env", "A=api", "B=x-1", "C=empty", "db/prod#/tls/on"))
	assert.Equal(t, result{stdout: "export NL='a\nb\n'\n"}, get("shell", "nl"))

	got := get("json", "db/prod", "USER=db/prod#user", "nl", "api")
	require.Zero(t, got.code, got.stderr)
	var object map[string]string
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &object))
	assert.Equal(t, map[string]string{
		"db/prod": vars[0][len("DB_PROD="):], "USER": "app", "nl": "a\nb\n", "api": "it's <&> \u2028 é",
	}, object)
	assert.Contains(t, got.stdout, "<&>", "not escaped for HTML")
}

func TestGetFormatsRejectSecrets(t *testing.T) {
	dir := t.TempDir()
	vars := []string{
		"NL=canary\n", "A=canary", "DOUBLE=" + `{"A":"canary"}`, "BAD=" + `{"a-b":"canary","PATH":"canary","LD_X":"x","":"x"}`, "TAR=" + `{"TAR_OPTIONS":"canary"}`, "LOADER=" + `{"PRELOAD":"canary"}`, "ESCAPE=" + `{"\u001b[2J":"canary"}`, "MASK=" + `{"a":"[redacted hush.Value: call Reveal]"}`,
	}
	for name, content := range map[string]string{"ZERO": "can\x00ary", "BINARY": "canary\xff"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		vars = append(vars, name+"_FILE="+path)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"env", "nl"}, []string{`"NL": the secret has a line break`}},
		{[]string{"env", "zero", "X=zero"}, []string{`"ZERO": the secret has a zero byte`, `"X": the secret has a zero byte`}},
		{[]string{"shell", "zero"}, []string{`"ZERO": the secret has a zero byte`}},
		{[]string{"json", "binary", "nl"}, []string{`"binary": the secret is not UTF-8`}},
		{[]string{"json", "a", "a"}, []string{`"a": the name is used twice`}},
		{[]string{"shell", "--var-prefix", "", "a", "double"}, []string{`"A": the name is used twice`}},
		{[]string{"shell", "--var-prefix", "", "bad"}, []string{`"a-b" is not a valid`, `"" is not a valid`, `"PATH" is reserved`, `"LD_X" is reserved`}},
		{[]string{"shell", "IFS=a"}, []string{`"IFS" is reserved`}},
		{[]string{"shell", "tar", "double"}, []string{`"tar": the secret is a JSON object`, `"double": the secret is a JSON object`, "--var-prefix"}},
		{[]string{"env", "tar"}, []string{`"tar": the secret is a JSON object`}},
		{[]string{"env", "--var-prefix", "LD_", "loader", "a"}, []string{`"LD_PRELOAD" is reserved`, `"LD_A" is reserved`}},
		{[]string{"shell", "--var-prefix", "", "mask"}, []string{`hush: "mask": the text is the mask`}},
		{[]string{"shell", "--var-prefix", "", "escape", "escape"}, []string{`"\x1b[2J": the name is used twice`}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			got := hush(t, vars, append([]string{"get", "--provider", "env:?files=true", "--format"}, c.args...)...)
			assert.Equal(t, 1, got.code, c.args)
			assert.Empty(t, got.stdout, c.args)
			for _, words := range c.want {
				assert.Contains(t, got.stderr, words)
			}
			assert.NotContains(t, got.stderr, "canary")
			assert.NotContains(t, got.stderr, "\x1b")
		})
	}
}

func TestGetReportsAllMissingSecrets(t *testing.T) {
	c := startCloud(t)
	c.store.Put("here", []byte("canary"))
	c.store.Deny("denied")
	got := hush(t, c.vars, "get", "--format", "json", "missing/1", "here", "missing/2", "denied", "missing/1#a", "AGAIN=denied")
	assert.Equal(t, 4, got.code)
	assert.Empty(t, got.stdout)
	for _, line := range []string{`hush: not found: "missing/1"`, `hush: not found: "missing/2"`, `hush: denied: "denied"`} {
		assert.Contains(t, got.stderr, line)
	}
	assert.Equal(t, 1, strings.Count(got.stderr, `hush: denied: "denied"`), "the same failure is reported once")
	assert.NotContains(t, got.stderr, "canary")
	// Invalid references are reported together, before any request.
	got = hush(t, c.vars, "get", "--format", "json", "a?b=c", "d#", "X=")
	assert.Equal(t, 2, got.code)
	for _, words := range []string{`"a?b=c"`, `"d#"`, "the name is empty"} {
		assert.Contains(t, got.stderr, words)
	}
}

// Leases stay after a success, because the secrets are in use. After a failure they are
// revoked.
func TestLeasesStayAfterSuccess(t *testing.T) {
	v, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	v.Mount("database", vaulttest.Database)
	v.LeaseRole("database", "app", &vaulttest.LeaseOptions{TTL: time.Hour})
	vars := withHelper("look", "VAULT_TOKEN="+v.RootToken())
	provider := "vault://" + v.Addr() + "?tls=false&mounts=database&revoke=true"

	got := hush(t, vars, "get", "--provider", provider, "database/creds/app#username")
	require.Zero(t, got.code, got.stderr)
	got = hush(t, vars, "exec", "--provider", provider, "--env", "U=database/creds/app#username", "--env", "P=database/creds/app#password", "--", self(t))
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, vaulttest.Counts{LeasesIssued: 2}, v.Counts(), "one lease for user name and password")

	got = hush(t, vars, "exec", "--provider", provider, "--env", "U=database/creds/app#username", "--env", "P=database/creds/nope", "--", self(t))
	assert.Equal(t, 8, got.code, got.stderr) // Vault has no such role
	assert.Equal(t, vaulttest.Counts{LeasesIssued: 3, LeasesRevoked: 1}, v.Counts())
}
