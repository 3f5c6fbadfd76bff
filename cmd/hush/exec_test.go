package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// self returns the path of the test binary.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// withHelper adds the variable that makes the test binary a helper.
func withHelper(what string, vars ...string) []string { return append(vars, helperVariable+"="+what) }

// runLook runs a command with hush and returns what the command observes.
func runLook(t *testing.T, vars, flags []string, args ...string) observation {
	t.Helper()
	got := hush(t, withHelper("look", vars...), append(append([]string{"exec", "--provider", "env"}, flags...), append([]string{"--", self(t)}, args...)...)...)
	require.Zero(t, got.code, got.stderr)
	assert.Empty(t, got.stderr)
	return parseObservation(t, got.stdout)
}

func parseObservation(t *testing.T, text string) (s observation) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &s), text)
	return s
}

func TestExecSetsVariables(t *testing.T) {
	vars := []string{"DB_PROD=" + `{"user":"app","port":5432}`, "API=k=\"1\" 'x'\n\ttwo\n", "EMPTY=", "LEFT=hush://api", "USER_NAME=old"}
	file := filepath.Join(t.TempDir(), "secrets.env")
	require.NoError(t, os.WriteFile(file, []byte("# what the server needs\r\n\nPORT=hush://db/prod#port\r\nNOTHING=empty\n"), 0o600))
	s := runLook(t, vars, []string{"--env", "USER_NAME=db/prod#user", "--env=KEY=api", "--env-file", file})
	for name, want := range map[string]string{
		"USER_NAME": "app", "KEY": "k=\"1\" 'x'\n\ttwo\n", "PORT": "5432", "NOTHING": "", "LEFT": "hush://api", "API": "k=\"1\" 'x'\n\ttwo\n",
	} {
		got, ok := s.value(name)
		assert.True(t, ok, name)
		assert.Equal(t, want, got, name)
	}
	set := 0
	for _, entry := range s.Env {
		if strings.HasPrefix(entry, "USER_NAME=") {
			set++
		}
	}
	assert.Equal(t, 1, set, "an existing variable is replaced")
}

func TestExecPassesArguments(t *testing.T) {
	args := []string{
		"", " ", "two words", `"double" 'single' \back\\slash`, "line\nbreak\r\n\ttab", "--env", "--", "-v", "$HOME `id` $(id) *", "é漢\u202e", "\x01\x7f",
		strings.Repeat("long ", 10_000),
	}
	if runtime.GOOS != "windows" {
		args = append(args, "\xff\xfe not UTF-8")
	}
	got := hush(t, withHelper("look"), append([]string{"exec", "--", self(t)}, args...)...)
	require.Zero(t, got.code, got.stderr)
	s := parseObservation(t, got.stdout)
	for i, want := range args {
		if strings.Contains(want, "\xff") {
			want = strings.ToValidUTF8(want, "\ufffd\ufffd") // as encoding/json encodes it
		}
		assert.Equal(t, want, s.Args[i])
	}
	assert.Len(t, s.Args, len(args))
	// Arguments after the command belong to it, also without --.
	s = runLook(t, nil, nil, "-v", "--timeout", "x")
	assert.Equal(t, []string{"-v", "--timeout", "x"}, s.Args)
	got = hush(t, withHelper("look"), "exec", self(t), "--timeout", "x")
	assert.Equal(t, []string{"--timeout", "x"}, parseObservation(t, got.stdout).Args)
}

func TestExecResolvesInheritedVariablesOnRequest(t *testing.T) {
	vars := []string{"DB=canary", "PASSWORD=hush://db", "PLAIN=db", "OTHER=hush://db"}
	s := runLook(t, vars, nil)
	got, _ := s.value("PASSWORD")
	assert.Equal(t, "hush://db", got)
	s = runLook(t, vars, []string{"--resolve-env", "--env", "OTHER=plain"})
	for name, want := range map[string]string{"PASSWORD": "canary", "PLAIN": "db", "OTHER": "db"} {
		got, _ := s.value(name)
		assert.Equal(t, want, got, name)
	}
	for _, bad := range []string{"LD_PRELOAD=hush://db", "X=hush://", "X=hush://db?vresion=1"} {
		refused := hush(t, append(vars, bad), "exec", "--provider", "env", "--resolve-env", "--", self(t))
		assert.Equal(t, 2, refused.code, bad)
		assert.Contains(t, refused.stderr, "--resolve-env: the variable", bad)
		assert.NotContains(t, refused.stderr, "canary")
	}
}

func TestExecDrops(t *testing.T) {
	vars := []string{"HUSH_PROVIDERS=env", "HUSH_CACHE_TTL=1m", "HUSHED=1", "VAULT_TOKEN=t", "VAULT_TOKEN_2=t", "AWS_X=1", "DB=secret", "AWS_=1"}
	s := runLook(t, vars, []string{"--drop", "HUSH_,VAULT_TOKEN,DB", "--drop=AWS_", "--env", "DB_COPY=db", "--env", "AWS_Y=db"})
	for name, want := range map[string]bool{
		"HUSH_PROVIDERS": false, "HUSH_CACHE_TTL": false, "HUSHED": true, "VAULT_TOKEN": false, "VAULT_TOKEN_2": true,
		"AWS_X": false, "AWS_": false, "AWS_Y": true, "DB": false, "DB_COPY": true,
	} {
		_, ok := s.value(name)
		assert.Equal(t, want, ok, name)
	}
	// --drop does not affect hush itself.
	got := hush(t, withHelper("look", vars...), "exec", "--drop", "HUSH_,PATH", "--env", "X=db", "--", self(t))
	require.Zero(t, got.code, got.stderr)
	_, ok := parseObservation(t, got.stdout).value("PATH")
	assert.False(t, ok)
}

func TestExecStartsNothingIfSecretsAreMissing(t *testing.T) {
	vars := withHelper("look", "HERE=canary", "R=hush://missing/four")
	got := hush(t, vars, "exec", "--provider", "env", "--env", "A=missing/one", "--env", "B=here", "--env", "C=missing/two", "--env", "D=missing/one",
		"--env", "E=here#user", "--resolve-env", "--", self(t))
	assert.Equal(t, 3, got.code)
	assert.Empty(t, got.stdout, "the command did not start")
	for _, line := range []string{
		"hush: --env A: not found\n  env: not found: the variable \"MISSING_ONE\" is not set\n", "hush: --env C: not found\n", "hush: --env D: not found\n",
		"hush: --env E: env: not found: ", "hush: --resolve-env R: not found\n",
	} {
		assert.Equal(t, 1, strings.Count(got.stderr, line), got.stderr)
	}
	assert.NotContains(t, got.stderr, "canary")
}

// A secret in place of a reference is an easy mistake.
func TestExecDoesNotQuoteEnvFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets.env")
	run := func(lines string) string {
		require.NoError(t, os.WriteFile(file, []byte(lines), 0o600))
		got := hush(t, withHelper("look", "HERE={}"), "exec", "--env-file", file, "--", self(t))
		assert.Empty(t, got.stdout)
		assert.NotContains(t, strings.ToLower(got.stderr), "canary")
		assert.NotZero(t, got.code)
		return got.stderr
	}
	assert.Equal(t, "hush: "+file+":2: PW: not found\n  extension: absent: ", run("#\nPW=canary")[:len("hush: :2: PW: not found\n  extension: absent: ")+len(file)])
	assert.Contains(t, run("PW=canary"), "\n  env: not found\n")
	assert.Contains(t, run("PW=here#canary"), file+":1: PW: env: not found\n")
	assert.Contains(t, run("PW=canary?version=canary"), "\n  env: unsupported\n")
	for _, bad := range []string{"postgres://u:canary@h/db", "hush://https://canary", "canary#", "canary?canary", "x?version=1&canary=2", "canary%"} {
		assert.Contains(t, run("PW="+bad), file+":1: invalid reference: ", bad)
	}
}

// Flags about stores are checked, even if no secret is requested.
func TestExecWithoutVariables(t *testing.T) {
	for _, flags := range [][]string{{"--timeout", "0s"}, {"--provider", "evn"}, {"--provider", "env:?prefx=x"}, {"--config", "/no/such/file"}} {
		got := hush(t, withHelper("look"), append(append([]string{"exec"}, flags...), "--", self(t))...)
		assert.Equal(t, 2, got.code, flags)
		assert.Empty(t, got.stdout)
	}
	got := hush(t, withHelper("look", "HUSH_PROVIDERS=evn"), "exec", "--", self(t))
	assert.Zero(t, got.code, "exec without flags does not read the configuration")
}

func TestExecRejectsInvalidFlags(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.env")
	require.NoError(t, os.WriteFile(bad, []byte("A=a\nexport B=b\nA=canary\n C=c\nD=\nE=\"e\"\nPATH=p\nF=f \nG\n"), 0o600))
	large := filepath.Join(dir, "large.env")
	require.NoError(t, os.WriteFile(large, []byte(strings.Repeat("#\n", 1<<19)+"#"), 0o600))
	for _, c := range []struct {
		flags []string
		want  []string
	}{
		{[]string{"--env", "A=x", "--env", "A=y"}, []string{"A is set twice"}},
		{[]string{"--env", "A"}, []string{"--env 1: not of the form NAME=REF"}},
		{[]string{"--env", "A=x", "--env", "=x", "--env", "A-B=x", "--env", "1A=x"}, []string{"--env 2:", "--env 3:", "--env 4:"}},
		{[]string{"--env", "A="}, []string{"--env 1: invalid reference: the name is empty"}},
		{[]string{"--env", "PATH=x", "--env", "LD_AUDIT=x"}, []string{`"PATH" is reserved`, `"LD_AUDIT" is reserved`}},
		{[]string{"--drop", "A-B"}, []string{"--drop", "A-B"}},
		{[]string{"--drop", "HUSH_*"}, []string{"--drop"}},
		{[]string{"--env-file", bad}, []string{
			bad + ":2: not of the form NAME=REF", bad + ":3: A is already set in line 1", bad + ":4: ", bad + ":5: invalid reference",
			bad + ":6: a quote before", bad + `:7: "PATH" is reserved`, bad + ":8: white space", bad + ":9: not of the form NAME=REF",
		}},
		{[]string{"--env-file", dir}, []string{"not a regular file"}},
		{[]string{"--env-file", filepath.Join(dir, "nope")}, []string{"does not exist"}},
		{[]string{"--env-file", large}, []string{"exceeds the limit"}},
		{[]string{"--env", "X=x", "--timeout", "0s"}, []string{"--timeout"}},
	} {
		t.Run(strings.Join(c.flags, " "), func(t *testing.T) {
			got := hush(t, withHelper("look"), append(append([]string{"exec", "--provider", "env"}, c.flags...), "--", self(t))...)
			assert.Equal(t, 2, got.code, c.flags)
			assert.Empty(t, got.stdout, c.flags)
			for _, words := range c.want {
				assert.Contains(t, got.stderr, words)
			}
			assert.NotContains(t, got.stderr, "canary")
		})
	}
	got := hush(t, nil, "exec")
	assert.Equal(t, 2, got.code)
	// The same name in a flag and in a file.
	require.NoError(t, os.WriteFile(bad, []byte("A=x"), 0o600))
	got = hush(t, withHelper("look"), "exec", "--env", "A=y", "--env-file", bad, "--", self(t))
	assert.Equal(t, 2, got.code)
	assert.Contains(t, got.stderr, "A is set twice")
}

func TestExecRejectsZeroBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("can\x00ary"), 0o600))
	got := hush(t, withHelper("look", "DB_FILE="+file), "exec", "--provider", "env:?files=true", "--env", "X=db", "--env", "Y=db", "--", self(t))
	assert.Equal(t, 1, got.code)
	assert.Empty(t, got.stdout)
	for _, name := range []string{"X", "Y"} {
		assert.Contains(t, got.stderr, name+": the secret has a zero byte, which a variable cannot contain")
	}
	assert.NotContains(t, got.stderr, "ary\n")
}

// countingStore starts a store that fails and counts its requests.
func countingStore(t *testing.T) (vars []string, provider string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	return []string{"AWS_TOKEN=t"}, "extension:?ready_wait=1ms&endpoint=" + server.URL, asked
}

func TestExecFindsTheCommandFirst(t *testing.T) {
	vars, provider, asked := countingStore(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data"), []byte("no program"), 0o600))
	for command, code := range map[string]int{"no-such-command": 127, filepath.Join(dir, "nope"): 127, "": 127, dir: 126, filepath.Join(dir, "data"): 126, "data": 126} {
		if runtime.GOOS == "windows" {
			code = 127 // on Windows, the name makes a file a program
		}
		got := hush(t, append(vars, "PATH="+dir), "exec", "--provider", provider, "--env", "X=db", "--", command)
		assert.Equal(t, code, got.code, "%s: %s", command, got.stderr)
		assert.Empty(t, got.stdout)
	}
	assert.Zero(t, asked.Load(), "no secret was requested")
	got := hush(t, vars, "exec", "--provider", provider, "--env", "X=db", "--", self(t))
	assert.Equal(t, 7, got.code, got.stderr)
	assert.NotZero(t, asked.Load())
}

func TestExecPassesLargeEnvironment(t *testing.T) {
	var vars []string
	for i := range 16 {
		vars = append(vars, fmt.Sprintf("BIG_%d=%s", i, strings.Repeat(string(rune('a'+i)), 64<<10-16)))
	}
	if runtime.GOOS == "windows" {
		vars = vars[:0] // the limit is 32 KiB
	}
	s := runLook(t, vars, []string{"--env", "X=home"})
	for _, entry := range vars {
		name, want, _ := strings.Cut(entry, "=")
		got, _ := s.value(name)
		assert.Len(t, got, len(want), name)
		assert.True(t, want == got, name)
	}
}
