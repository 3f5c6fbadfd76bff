package main_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

const (
	name  = "orders/signing"
	key   = "hunter2"
	value = `{"key":"` + key + `"}`
)

// binary is the program, compiled once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sign")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "sign")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

// A world has all stores, each with the secret, and counts the calls of each.
type world struct {
	aws   *directtest.Server
	vault *vaulttest.Server
	calls map[string]func() int
	vars  []string
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{calls: map[string]func() int{"env": func() int { return 0 }}}
	var err error
	w.aws, err = directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(w.aws.Close)
	w.aws.Put(name, []byte(value))
	w.calls["direct"] = func() int { return w.aws.Calls(directtest.Call{}) }

	w.vault, err = vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(w.vault.Close)
	w.vault.PutJSON("secret", name, value)
	w.calls["vault"] = func() int { return w.vault.Calls(vaulttest.Call{Path: "secret/data/" + name}) }

	w.vars = []string{
		"SYSTEMROOT=" + os.Getenv("SYSTEMROOT"), "HOME=" + t.TempDir(),
		"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "AWS_SESSION_TOKEN=session-token", "AWS_REGION=" + w.aws.Region(),
		"AWS_ACCESS_KEY_ID=" + directtest.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + directtest.SecretAccessKey,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + w.aws.URL(), "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + w.serve(t),
		"VAULT_ADDR=" + w.vault.URL(), "VAULT_TOKEN=" + w.vault.RootToken(),
		"ORDERS_SIGNING=" + value,
	}
	return w
}

// serve starts the extension and returns its port.
func (w *world) serve(t *testing.T) string {
	t.Helper()
	var calls atomic.Int64
	w.calls["extension"] = func() int { return int(calls.Load()) }
	handler := agent.Handler(hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		calls.Add(1)
		return hush.Static(map[string]string{name: value}).Get(ctx, ref)
	}), "session-token", nil)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- agent.Serve(ctx, listener, handler) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

// run runs the program and returns the lines of its output.
func (w *world) run(t *testing.T, settings []string, messages ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, messages...)
	cmd.Env = slices.Concat(settings, w.vars)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func signature(message string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return fmt.Sprintf("%x", mac.Sum(nil))
}

// TestOneBinaryReadsEveryStore runs one binary with each store and with chains of stores.
// Only one variable differs.
func TestOneBinaryReadsEveryStore(t *testing.T) {
	w := start(t)
	messages := []string{"one", "two", "three"}
	for _, providers := range []string{"extension", "direct", "vault", "env", "extension direct", "vault env"} {
		first, _, _ := strings.Cut(providers, " ")
		for ttl, want := range map[string]int{"": 1, "0": len(messages)} {
			if first == "env" {
				want = 0 // the environment is not counted
			}
			before := w.calls[first]()
			lines := w.run(t, []string{"HUSH_PROVIDERS=" + providers, "HUSH_CACHE_TTL=" + ttl}, messages...)
			require.Len(t, lines, len(messages), "%q", lines)
			for i, message := range messages {
				assert.Equal(t, signature(message)+" "+first, lines[i], "%s, ttl %q", providers, ttl)
			}
			assert.Equal(t, want, w.calls[first]()-before, "calls of %s, ttl %q", providers, ttl)
		}
	}
}

// TestFallback reads from the next store during an outage of the first.
func TestFallback(t *testing.T) {
	w := start(t)
	w.vault.Close()
	assert.Equal(t, []string{signature("one") + " env"}, w.run(t, []string{"HUSH_PROVIDERS=vault env"}, "one"))

	outside := []string{"HUSH_PROVIDERS=extension direct"}
	w.vars = append(w.vars, "AWS_LAMBDA_RUNTIME_API=") // the same program outside of Lambda
	assert.Equal(t, []string{signature("one") + " direct"}, w.run(t, outside, "one"))
}

// TestNames configures the name of the secret in each store.
func TestNames(t *testing.T) {
	w := start(t)
	w.vars = append(w.vars, "OTHER="+value)
	w.aws.Put("team/eu/signing", []byte(`{"signing":`+value+`}`))
	for providers, names := range map[string]string{
		"env":    "{orders/signing: {env: OTHER}}",
		"direct": "{orders/signing: {direct: team/eu/signing#signing}}",
	} {
		lines := w.run(t, []string{"HUSH_PROVIDERS=" + providers, "HUSH_NAMES=" + names}, "one")
		assert.Equal(t, []string{signature("one") + " " + providers}, lines)
	}
}

// TestMistakes expects one line for each mistake, without a value.
func TestMistakes(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), binary, "one")
	cmd.Env = []string{"HUSH_PROVIDERS=drect vault://user:hunter2@host env:?prefx=A", "HUSH_CACHE_TTL=300"}
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	require.Len(t, lines, 4, "%s", out)
	assert.Contains(t, string(out), `did you mean "direct"?`)
	assert.Contains(t, string(out), `did you mean "prefix"?`)
	assert.NotContains(t, string(out), "hunter2")
}
