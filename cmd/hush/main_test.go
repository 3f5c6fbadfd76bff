package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/agent"
	main "github.com/hush-secrets/hush/cmd/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
)

// binary is the path of the command, which is built once for all tests.
var binary string

// commandVariable makes the test binary run the command; see
// TestCommandIsPartOfTheTestBinary.
const commandVariable = "TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		main.Main()
	}
	if what := os.Getenv(helperVariable); what != "" {
		os.Exit(help(what, os.Args[1:]))
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hush")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // some tests run it as another user
		panic(err)
	}
	binary = filepath.Join(dir, "hush")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

type result struct {
	stdout, stderr string
	code           int
}

// hush runs the command with vars and without AWS configuration.
func hush(t *testing.T, vars []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = environ(t, vars...)
	return finish(t, cmd)
}

// environ returns an environment with vars and without configuration of AWS and hush.
func environ(t *testing.T, vars ...string) []string {
	t.Helper()
	return append([]string{
		"HOME=" + t.TempDir(), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT"), "TMPDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
	}, vars...)
}

// finish runs a command and returns its result.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(t, err)
	} else {
		require.True(t, exit.Exited(), "a signal ended the command")
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// A cloud is a Lambda environment with an extension and Secrets Manager.
type cloud struct {
	store *directtest.Server
	vars  []string
	stop  func() // stops the extension
}

func startCloud(t *testing.T) *cloud {
	t.Helper()
	store, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	const session = "session-token"
	front := httptest.NewServer(agent.Handler(direct.New(store.Client(), nil), session, nil))
	t.Cleanup(front.Close)
	_, port, err := net.SplitHostPort(front.Listener.Addr().String())
	require.NoError(t, err)
	return &cloud{store: store, stop: front.Close, vars: []string{
		"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + port,
		"AWS_REGION=" + store.Region(), "AWS_ACCESS_KEY_ID=" + directtest.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + directtest.SecretAccessKey, "AWS_SESSION_TOKEN=" + session,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + store.URL(),
	}}
}

func TestGetPrintsTheValueAndNothingElse(t *testing.T) {
	c := startCloud(t)
	for name, value := range map[string]string{
		"text": "hunter2", "newline": "two\nlines\n", "empty": "", "binary": "\x00\xff\x01", "json": `{"user":"app"}`,
	} {
		c.store.Put(name, []byte(value))
		got := hush(t, c.vars, "get", name)
		assert.Equal(t, result{stdout: value}, got, name)
	}
	assert.Equal(t, result{stdout: "app"}, hush(t, c.vars, "get", "json#user"))
	assert.Equal(t, result{stdout: "old"}, hush(t, []string{"DB_PROD=old"}, "get", "--provider", "env", "db/prod"))
	assert.Equal(t, result{stdout: "app"}, hush(t, []string{"X_DB=app"}, "get", "--provider", "env:?prefix=X_", "db"))
}

func TestExitStatusInLambda(t *testing.T) {
	c := startCloud(t)
	c.store.Put("here", []byte("canary-value"))
	c.store.Deny("denied")
	check := func(why string, code int, class, ref string) {
		t.Helper()
		got := hush(t, c.vars, "get", ref)
		assert.Equal(t, code, got.code, "%s: %s", why, got.stderr)
		assert.Contains(t, got.stderr, class, why)
		assert.NotContains(t, got.stderr, "canary", why)
		if code != 0 {
			assert.Empty(t, got.stdout, why)
		}
	}
	for _, state := range []string{"with the extension", "with a dead extension"} {
		check(state, 0, "", "here")
		check(state, 3, "not found", "missing")
		check(state, 3, `no field "user"`, "here#user")
		check(state, 4, "denied", "denied")
		check(state, 2, "invalid reference", "here?vresion=1")
		c.stop()
	}
	restore := c.store.Fail(directtest.Failure{Code: "ExpiredTokenException", Message: "canary"})
	check("expired", 5, "unauthenticated", "here")
	restore()
	restore = c.store.Fail(directtest.Failure{Code: "ThrottlingException", Message: "canary"})
	check("throttled", 6, "throttled", "here")
	restore()
	c.store.Break()
	check("dead", 7, "unavailable", "here")
	check("dead", 7, "unavailable", "missing")
}

func TestExitStatusOnALaptop(t *testing.T) {
	require.NoFileExists(t, "/var/run/awssmatoken", "this machine runs AWS's agent")
	vars := []string{"DB_PROD=hunter2"}
	assert.Equal(t, result{stdout: "hunter2"}, hush(t, vars, "get", "db/prod"))
	missing := hush(t, vars, "get", "db/test")
	assert.Equal(t, 3, missing.code)
	for _, line := range []string{`not found: "db/test"`, "extension: absent", "direct: absent", "env: not found"} {
		assert.Contains(t, missing.stderr, line)
	}
	assert.Equal(t, 9, hush(t, vars, "get", "--provider", "direct", "db/prod").code)
	assert.Equal(t, 10, hush(t, vars, "get", "--provider", "env", "db/prod?version=1").code)
}

func TestLaptopGetsSecretsFast(t *testing.T) {
	// A request to the metadata service would take 5 to 12 s. One of several tries is
	// fast even on a busy machine.
	for _, vars := range [][]string{{"DB_PROD=hunter2"}, nil} {
		best := time.Hour
		for range 5 {
			start := time.Now()
			hush(t, vars, "get", "db/prod")
			best = min(best, time.Since(start))
		}
		assert.Less(t, best, 500*time.Millisecond)
	}
}

func TestGetTimesOut(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()
	got := hush(t, []string{"AWS_TOKEN=t"}, "get", "--timeout", "100ms", "--provider", "extension:?endpoint="+hang.URL, "db")
	assert.Equal(t, 7, got.code)
	assert.Equal(t, "hush: \"db\": unavailable: --timeout (100ms) exceeded while waiting for extension\n", got.stderr)
	// The store is called when it is opened.
	got = hush(t, []string{"AWS_TOKEN=t", "HUSH_VERIFY=true", "HUSH_PROVIDERS=extension:?endpoint=" + hang.URL}, "get", "--timeout", "100ms", "db")
	assert.Equal(t, 7, got.code)
	assert.Equal(t, "hush: unavailable: --timeout (100ms) exceeded while waiting for the stores\n", got.stderr)
}

func TestInvalidCommandLines(t *testing.T) {
	for _, args := range [][]string{
		{"get"},
		{"get", "a", "b"}, // raw prints one secret
		{"nope"},
		{"get", "--nope", "x"},
		{"demo", "x"},
		{"get", "--timeout", "3", "x"},
		{"get", "--timeout", "0s", "x"},
		{"get", "--provider", "nope:", "x"},
		{"get", "--provider", "env:?prefx=A", "x"},
		{"get", "--provider", "extension:?endpoint=http://example.com:80", "x"},
		{"get", "--provider", "env://user:canary@host", "x"},
		{"get", "--provider", "%canary", "x"},
		{"get", ""},
		{"get", "a\nb"},
		{"get", strings.Repeat("n", 10<<10)},
		{"get", "https://user:canary@host"},
		{"completion", "bahs"},
		{"completion", "bash", "x"},
		{"help", "nosuch"},
		{"help", "get", "nosuch"},
	} {
		t.Run(fmt.Sprintf("%.40q", args), func(t *testing.T) {
			got := hush(t, nil, args...)
			assert.Equal(t, 2, got.code, "%.40q: %s", args, got.stderr)
			assert.Empty(t, got.stdout)
			assert.NotEmpty(t, got.stderr)
			assert.NotContains(t, got.stderr, "canary")
		})
	}
	assert.Equal(t, "hush: unknown command \"gte\" for \"hush\"\nhush: Did you mean this?\n  get\nhush: Run 'hush --help' for usage.\n", hush(t, nil, "gte", "x").stderr)
	help := hush(t, nil, "get", "--help")
	assert.Zero(t, help.code)
	for code := range 11 {
		assert.Contains(t, help.stdout, fmt.Sprintf("\n   %2d  ", code))
	}
}

func TestVerboseLogsEachCall(t *testing.T) {
	got := hush(t, []string{"DB_PROD=canary", "HUSH_LOG_LEVEL=off"}, "get", "-v", "db/prod")
	assert.Equal(t, "canary", got.stdout)
	for _, word := range []string{`"provider":"extension"`, `"provider":"direct"`, `"provider":"env"`, `"outcome":"absent"`, `"outcome":"ok"`} {
		assert.Contains(t, got.stderr, word)
	}
	assert.NotContains(t, got.stderr, "canary")
}
