package main_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// write writes a file that only its owner can read, and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAgentUsesTheFirstTokenVariable(t *testing.T) {
	inFile := write(t, " \n of-a-file \n")
	vars := []string{"APP_DB=x"}
	all := []string{"AWS_TOKEN=first", "AWS_SESSION_TOKEN=second", "AWS_CONTAINER_AUTHORIZATION_TOKEN=third"}
	for _, c := range []struct {
		vars []string
		args []string
		want string
	}{
		{all, nil, "first"},
		{append([]string{"AWS_TOKEN="}, all[1:]...), nil, "second"},
		{[]string{"AWS_TOKEN=", all[2]}, nil, "third"},
		{[]string{"AWS_TOKEN=file://" + inFile, all[1]}, nil, "of-a-file"},
		{[]string{"AWS_TOKEN=", "AWS_SESSION_TOKEN=file://" + inFile}, nil, "of-a-file"},
		{all, []string{"--token-file", inFile}, "of-a-file"},
	} {
		t.Run(c.want, func(t *testing.T) {
			a := startAgent(t, append(vars, c.vars...), append([]string{"--provider", "env:?prefix=APP_"}, c.args...)...)
			a.token = c.want
			assert.Equal(t, 200, a.ask(t, "GET", "/v1/db").status, c.want)
			for _, other := range []string{"first", "second", "third", "of-a-file", "file://" + inFile} {
				if a.token = other; other != c.want {
					assert.Equal(t, 403, a.ask(t, "GET", "/v1/db").status, "%s for %s", other, c.want)
				}
			}
		})
	}
}

func TestAgentReadsItsTokenOnce(t *testing.T) {
	path := write(t, "before")
	a := startAgent(t, []string{"AWS_TOKEN=file://" + path, "APP_DB=x"}, "--provider", "env:?prefix=APP_")
	require.NoError(t, os.WriteFile(path, []byte("after"), 0o600))
	a.token = "before"
	assert.Equal(t, 200, a.ask(t, "GET", "/v1/db").status)
	a.token = "after"
	assert.Equal(t, 403, a.ask(t, "GET", "/v1/db").status)
}

func TestAgentCreatesToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	args := []string{"--provider", "env:?prefix=APP_", "--token-file", path}
	a := startAgent(t, []string{"APP_DB=x"}, args...)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	made := strings.TrimSpace(string(text))
	assert.GreaterOrEqual(t, len(made), 26, "at least 128 bits")
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode())
	}
	a.requireStderr(t, "wrote a new token")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 1)
	assert.NotContains(t, a.stderr.String(), made)
	assert.Equal(t, 403, a.ask(t, "GET", "/v1/db").status, "the token of the variable")

	again := startAgent(t, []string{"APP_DB=x"}, args...)
	for _, r := range []*agentProcess{a, again} {
		r.token = made
		assert.Equal(t, 200, r.ask(t, "GET", "/v1/db").status)
	}
	assert.NotContains(t, again.stderr.String(), "a new token")
}

func TestAgentRejectsInvalidTokens(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "canary")
	for _, c := range []struct {
		vars []string
		args []string
		want string
	}{
		{nil, nil, "--token-file FILE, which creates the file"},
		{[]string{"AWS_TOKEN="}, nil, "no token"},
		{[]string{"AWS_TOKEN=file://" + missing}, nil, "AWS_TOKEN: the file does not exist"},
		{[]string{"AWS_TOKEN=file://canary"}, nil, "AWS_TOKEN: the path of the file is not absolute"},
		{[]string{"AWS_TOKEN=file://" + t.TempDir()}, nil, "AWS_TOKEN: the file is a directory"},
		{[]string{"AWS_TOKEN=file://" + write(t, " \n")}, nil, "AWS_TOKEN: the token is empty"},
		{[]string{"AWS_TOKEN= canary"}, nil, "begins or ends with white space"},
		{[]string{"AWS_SESSION_TOKEN=can\nary"}, nil, "AWS_SESSION_TOKEN: the token has a control character"},
		{[]string{"AWS_TOKEN=" + strings.Repeat("canary", 4<<10)}, nil, "exceeds the limit of 16384 bytes"},
		{[]string{"AWS_TOKEN=x"}, []string{"--token-file", write(t, "")}, "--token-file: the token is empty"},
		{[]string{"AWS_TOKEN=x"}, []string{"--token-file", write(t, strings.Repeat("canary", 4<<10))}, "exceeds the limit"},
		{[]string{"AWS_TOKEN=x"}, []string{"--token-file", filepath.Join(missing, "token")}, "--token-file: cannot create the file"},
	} {
		t.Run(c.want, func(t *testing.T) {
			got := hush(t, c.vars, append([]string{"agent", "--addr", "127.0.0.1:0", "--provider", "env:?prefix=APP_"}, c.args...)...)
			assert.Equal(t, 2, got.code, c.want)
			assert.Contains(t, got.stderr, c.want)
			assert.NotContains(t, got.stderr, "canary")
			assert.Empty(t, got.stdout)
		})
	}
}

func TestAgentCreatesNoTokenIfItCannotServe(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, taken.Close()) }()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"--provider", "nope"},
		{"--provider", "env"},
		{"--provider", "env:?prefix=APP_", "--addr", taken.Addr().String()},
	} {
		args = append([]string{"agent", "--addr", "127.0.0.1:0", "--token-file", filepath.Join(dir, "token")}, args...)
		assert.NotZero(t, hush(t, nil, args...).code, "%q", args)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}
