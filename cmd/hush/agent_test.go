package main_test

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

var overEnv = []string{"--provider", "env:?prefix=APP_"}

func TestAgentWarnsWithoutAllow(t *testing.T) {
	vars := []string{"APP_DB_PROD=x", "APP_DB_TEST=x", "APP_OTHER=x"}
	a := startAgent(t, vars, overEnv...)
	a.requireStderr(t, "\n")
	first, _, _ := strings.Cut(a.stderr.String(), "\n")
	assert.Contains(t, first, "every client with the token can read every secret")
	assert.Regexp(t, `^http://127\.0\.0\.1:[1-9][0-9]*$`, a.url)

	a = startAgent(t, vars, append([]string{"--allow", "db/*", "--allow", "x"}, overEnv...)...)
	for name, status := range map[string]int{"db/prod": 200, "db/test": 200, "other": 400, "db": 400, "DB/prod": 400, "db/a/b": 400} {
		assert.Equal(t, status, a.ask(t, "GET", getPath+name).status, name)
	}
	assert.NotContains(t, a.stopAndReadStderr(), "every client")
}

func TestAgentServesSecretsManagerByDefault(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("hunter2"))
	a := startAgent(t, append(vars, "DB=of-the-environment"))
	assert.Equal(t, "hunter2", members(t, a.ask(t, "GET", "/v1/db"))["SecretString"])
	assert.Equal(t, 400, a.ask(t, "GET", "/v1/aws/token").status, "the environment is not a store")
	assert.Contains(t, hush(t, nil, "agent", "--help").stdout, "the store is direct.")
}

func TestAgentRejectsInvalidFlags(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, taken.Close()) }()
	free := []string{"--addr", "127.0.0.1:0"}
	for _, c := range []struct {
		want string
		code int
		args []string
	}{
		{"must be a loopback address with a port", 2, []string{"--addr", "0.0.0.0:0"}},
		{"must be a loopback address with a port", 2, []string{"--addr", ":0"}},
		{"must be a loopback address with a port", 2, []string{"--addr", "192.0.2.1:2773"}},
		{"must be a loopback address with a port", 2, []string{"--addr", "[::]:0"}},
		{"must be a loopback address with a port", 2, []string{"--addr", "example.com:0"}},
		{"must be a loopback address with a port", 2, []string{"--addr", "127.0.0.1"}},
		{"must be a loopback address with a port", 2, []string{"--addr", "127.0.0.1:http"}},
		{"must be a loopback address with a port", 2, []string{"--addr", "127.0.0.1:65536"}},
		{"address already in use", 1, []string{"--addr", taken.Addr().String()}},
		{"--ttl must be from 0s to 1h", 2, append([]string{"--ttl", "1h1s"}, free...)},
		{"--ttl must be from 0s to 1h", 2, append([]string{"--ttl", "-1s"}, free...)},
		{"must be a duration", 2, append([]string{"--ttl", "300"}, free...)},
		{"--cache-size must be from 1 to 1000", 2, append([]string{"--cache-size", "0"}, free...)},
		{"--cache-size must be from 1 to 1000", 2, append([]string{"--cache-size", "1001"}, free...)},
		{"--max-conn must be from 1 to 1000", 2, append([]string{"--max-conn", "0"}, free...)},
		{"--max-conn must be from 1 to 1000", 2, append([]string{"--max-conn", "1001"}, free...)},
		{"--path-prefix must begin and end with a slash", 2, append([]string{"--path-prefix", "v1/"}, free...)},
		{"--path-prefix must begin and end with a slash", 2, append([]string{"--path-prefix", "/v1"}, free...)},
		{"--path-prefix must begin and end with a slash", 2, append([]string{"--path-prefix", "/a b/"}, free...)},
		{"--token-file: the path of the file is empty", 2, append([]string{"--token-file", ""}, free...)},
		{"not a valid pattern", 2, append([]string{"--allow", "[a"}, free...)},
		{"** matches the same as *", 2, append([]string{"--allow", "orders/**"}, free...)},
		{"unknown scheme", 2, append([]string{"--provider", "nope"}, free...)},
		{"a prefix is required", 2, append([]string{"--provider", "env"}, free...)},
		{"a prefix is required", 2, append([]string{"--provider", "env:?files=true"}, free...)},
		{"the agent's own", 2, append([]string{"--provider", "env:?prefix=A"}, free...)},
		{"the agent's own", 2, append([]string{"--provider", "env:?prefix=AWS_SECRET_"}, free...)},
		{"the agent's own", 2, append([]string{"--provider", "env:?prefix=vault"}, free...)},
		{"the agent's own", 2, append([]string{"--provider", "env:?link_prefix=hush/"}, free...)},
		{"the agent's own", 2, append([]string{"--provider", "env:?prefix=A&link_prefix=ws-"}, free...)},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			args := append([]string{"agent"}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "--provider") {
				args = append(args, overEnv...)
			}
			got := hush(t, []string{"AWS_TOKEN=" + agentToken}, args...)
			assert.Equal(t, c.code, got.code, "%q: %s", c.args, got.stderr)
			assert.Contains(t, got.stderr, c.want, "%q", c.args)
			assert.Empty(t, got.stdout)
		})
	}
}

// The port of the extension is the agent's own, by a URL and by a variable.
func TestAgentRejectsItselfAsStore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	_, port, _ := strings.Cut(addr, ":")
	for _, c := range []struct{ provider, variable string }{
		{"extension:?endpoint=http://" + addr, ""}, {"extension", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + port},
	} {
		got := hush(t, []string{"AWS_TOKEN=x", c.variable}, "agent", "--addr", addr, "--provider", c.provider)
		assert.Equal(t, 2, got.code, c)
		assert.Contains(t, got.stderr, "the agent's own")
		assert.Empty(t, got.stdout)
	}
	other := startAgent(t, []string{"APP_DB=x"}, overEnv...)
	before := startAgent(t, nil, "--provider", "extension:?endpoint="+other.url)
	assert.Equal(t, 200, before.ask(t, "GET", "/v1/db").status)
}

func TestAgentAcceptsPrefixesSimilarToItsOwn(t *testing.T) {
	for _, prefix := range []string{"AX_", "AWSX_", "APP_AWS_"} {
		a := startAgent(t, []string{prefix + "DB=x"}, "--provider", "env:?prefix="+prefix)
		assert.Equal(t, 200, a.ask(t, "GET", "/v1/db").status, prefix)
	}
}

func TestAgentUsesLinkPrefix(t *testing.T) {
	a := startAgent(t, []string{"APP_DB=x", "DB=y"}, "--provider", "env:?link_prefix=app/")
	assert.Equal(t, "x", members(t, a.ask(t, "GET", "/v1/db"))["SecretString"])
}

func TestAgentPing(t *testing.T) {
	a := startAgent(t, nil, overEnv...)
	addr := strings.TrimPrefix(a.url, "http://")
	for range 100 { // idle connections of other clients
		idle, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, idle.Close()) })
	}
	assert.Equal(t, result{}, hush(t, nil, "agent", "--ping", "--addr", addr))
	require.NoError(t, a.cmd.Process.Kill())
	a.waitExit(t)
	got := hush(t, nil, "agent", "--ping", "--addr", addr)
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "no agent responds")
	store, _ := startStore(t)
	got = hush(t, nil, "agent", "--ping", "--addr", strings.TrimPrefix(store.URL(), "http://"))
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "not a healthy agent")
	assert.Equal(t, 2, hush(t, nil, "agent", "--ping", "--addr", "192.0.2.1:80").code)
}

func TestAgentStartsWithoutItsStore(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("x"))
	restore := store.Break()
	a := startAgent(t, vars)
	assert.Equal(t, 200, a.ask(t, "GET", "/ping").status)
	assert.Equal(t, 503, a.ask(t, "GET", "/v1/db").status)
	restore()
	requireEventually(t, "200", func() bool { return a.ask(t, "GET", "/v1/db").status == 200 })
	assert.Positive(t, store.Calls(directtest.Call{Operation: "GetSecretValue"}))
}
