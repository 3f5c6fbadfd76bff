package config_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/env"
)

// clearEnv removes every HUSH_ variable until the test ends.
func clearEnv(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "HUSH_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name))
		}
	}
}

func TestFromEnvWithoutVariables(t *testing.T) {
	clearEnv(t)
	t.Setenv("HUSH_CACHE_TTL", "")
	t.Setenv("HUSH_NO_SUCH", "")
	c, err := config.FromEnv()
	require.NoError(t, err)
	assertConfig(t, &config.Config{}, c, "no variables")
}

func TestVariablesOverrideTheFile(t *testing.T) {
	clearEnv(t)
	t.Setenv("HUSH_CONFIG", write(t, `
providers: [extension, "direct:?region=eu-west-1&link_name=ireland", env]
names: {db: {ireland: prod/db, env: DB}, key: {ireland: prod/key}}
cache: {ttl: 5m, jitter: 0.5}
policy: outages
`))
	t.Setenv("HUSH_CACHE_TTL", "1m")
	t.Setenv("HUSH_PROVIDERS", "vault env:")
	c, err := config.FromEnv()
	require.NoError(t, err)
	assertConfig(t, &config.Config{
		Providers: []config.Store{{URL: "vault"}, {URL: "env"}},
		Names:     map[string]map[string]string{"db": {"env": "DB"}},
		CacheTTL:  time.Minute,
		Cache:     cachettl.Options{Jitter: 0.5},
		Policy:    config.PolicyOutages,
	}, c, "names of replaced providers are removed")

	t.Setenv("HUSH_NAMES", "{a: {vault: b}}")
	c, err = config.FromEnv()
	require.NoError(t, err)
	assert.Equal(t, map[string]map[string]string{"a": {"vault": "b"}}, c.Names)
}

// A text replaces the file that HUSH_CONFIG names. Precedence and places in errors are
// the same.
func TestFromEnvironWithAText(t *testing.T) {
	clearEnv(t)
	text := []byte("providers: [env]\ncache: {ttl: 5m}\n")
	c, err := config.FromEnviron(os.Environ(), "app.yaml", text)
	require.NoError(t, err)
	assertConfig(t, &config.Config{Providers: []config.Store{{URL: "env"}}, CacheTTL: 5 * time.Minute}, c, "the text")

	c, err = config.FromEnviron(os.Environ(), "app.yaml", nil)
	require.NoError(t, err)
	assertConfig(t, &config.Config{}, c, "no text")

	t.Setenv("HUSH_CACHE_TTL", "1m")
	c, err = config.FromEnviron(os.Environ(), "app.yaml", text)
	require.NoError(t, err)
	assert.Equal(t, time.Minute, c.CacheTTL, "a variable takes precedence")

	_, err = config.FromEnviron(os.Environ(), "app.yaml", []byte("providers: [env]\ncache: {tll: 5m}\n"))
	assert.ErrorContains(t, err, "app.yaml:2:9: cache: ")
	c, _ = config.FromEnviron(os.Environ(), "app.yaml", []byte("providers: [evn]\n"))
	_, err = config.Open(t.Context(), c, env.Scheme())
	assert.ErrorContains(t, err, "app.yaml:1:13: provider 1: ")

	t.Setenv("HUSH_CONFIG", write(t, "providers: [vault]\n"))
	c, err = config.FromEnviron(os.Environ(), "app.yaml", text)
	require.NoError(t, err)
	assert.Equal(t, []config.Store{{URL: "vault"}}, c.Providers, "HUSH_CONFIG takes precedence")
}

func TestFromEnvReportsInvalidVariables(t *testing.T) {
	for entry, want := range map[string]string{
		"HUSH_CACHE_TLL=5m":                    "HUSH_CACHE_TLL: unknown variable: did you mean HUSH_CACHE_TTL?",
		"HUSH_PROVIDER=hunter2":                "HUSH_PROVIDER: unknown variable: did you mean HUSH_PROVIDERS?",
		"HUSH_TTL=hunter2":                     "HUSH_TTL: unknown variable: did you mean HUSH_CACHE_TTL?",
		"HUSH_CONFIG_FILE=hunter2":             "HUSH_CONFIG_FILE: unknown variable: did you mean HUSH_CONFIG?",
		"HUSH_config_file=hunter2":             "HUSH_config_file: unknown variable: did you mean HUSH_CONFIG?",
		"HUSH_LOG=debug":                       "HUSH_LOG: unknown variable: did you mean HUSH_LOG_LEVEL?",
		"HUSH_CACHE=0":                         "HUSH_CACHE: unknown variable: did you mean HUSH_CACHE_TTL?",
		"HUSH_CACHE_TTL=5":                     "HUSH_CACHE_TTL: has no unit; write 5s for seconds",
		"HUSH_CACHE_TTL=0.5":                   "HUSH_CACHE_TTL: has no unit; write 0.5s for seconds",
		"HUSH_CACHE_TTL=1234567":               "HUSH_CACHE_TTL: must be a duration",
		"HUSH_CACHE_TTL=-300s":                 "HUSH_CACHE_TTL: must not be negative",
		"HUSH_CACHE_TTL=hunter2":               "HUSH_CACHE_TTL: must be a duration",
		"HUSH_CACHE_MAX_ENTRIES=many":          "HUSH_CACHE_MAX_ENTRIES: must be a whole number",
		"HUSH_VERIFY=1":                        "HUSH_VERIFY: must be true or false",
		"HUSH_POLICY=hunter2":                  "HUSH_POLICY: must be any or outages",
		"HUSH_LOG_LEVEL=wran":                  `HUSH_LOG_LEVEL: must be off, debug, info, warn or error: did you mean "warn"?`,
		"HUSH_CONFIG=/no/such/hush.yaml":       "/no/such/hush.yaml: the file does not exist",
		"HUSH_PROVIDERS=env env:":              "HUSH_PROVIDERS: provider 2: env is also provider 1",
		"HUSH_PROVIDERS=extension,direct":      "HUSH_PROVIDERS: provider 1: invalid URL; separate the URLs of a list by spaces",
		"HUSH_PROVIDERS=vault://a:hunter2@b/c": "HUSH_PROVIDERS: provider 1: user info in the URL",
		"HUSH_NAMES={db: {direct: }}":          "HUSH_NAMES:1:15: names.db.direct: has no value",
		"HUSH_NAMES={db: {direct: '#'}}":       "HUSH_NAMES:1:15: names.db.direct: invalid reference",
		"HUSH_NAMES=hunter2":                   "HUSH_NAMES:1:1: must be a mapping of keys to values, not a single value",
		"HUSH_NAMES={":                         "HUSH_NAMES:1: did not find",
		"HUSH_NAMES=\xff":                      "HUSH_NAMES:1: ",
	} {
		t.Run(entry, func(t *testing.T) {
			clearEnv(t)
			name, value, _ := strings.Cut(entry, "=")
			t.Setenv(name, value)
			_, err := config.FromEnv()
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), want), "got\n%s\nwant\n%s", err, want)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestFromEnvReportsAllMistakesTogether(t *testing.T) {
	clearEnv(t)
	path := write(t, "policy: x\n")
	t.Setenv("HUSH_CONFIG", path)
	t.Setenv("HUSH_CACHE_TTL", "5")
	t.Setenv("HUSH_PROVIDRES", "env")
	_, err := config.FromEnv()
	require.Error(t, err)
	assert.ElementsMatch(t, []string{
		path + ":1:9: policy: must be any or outages",
		"HUSH_CACHE_TTL: has no unit; write 5s for seconds",
		"HUSH_PROVIDRES: unknown variable: did you mean HUSH_PROVIDERS?",
	}, strings.Split(err.Error(), "\n"))
}

// Kubernetes sets these variables if a Service is called hush or hush-agent.
func TestFromEnvIgnoresVariablesOfKubernetes(t *testing.T) {
	clearEnv(t)
	for _, name := range []string{
		"HUSH_SERVICE_HOST", "HUSH_SERVICE_PORT", "HUSH_SERVICE_PORT_HTTP", "HUSH_PORT", "HUSH_PORT_2773_TCP", "HUSH_PORT_2773_TCP_PROTO",
		"HUSH_PORT_2773_TCP_PORT", "HUSH_PORT_2773_TCP_ADDR", "HUSH_AGENT_SERVICE_HOST", "HUSH_AGENT_PORT_2773_UDP",
	} {
		t.Setenv(name, "tcp://10.0.0.1:2773")
	}
	_, err := config.FromEnv()
	require.NoError(t, err)
	assert.Empty(t, config.IgnoredVariables(os.Environ()))
}

// A variable of another program is not an error.
func TestFromEnvIgnoresVariablesOfOtherPrograms(t *testing.T) {
	clearEnv(t)
	for _, name := range []string{"HUSH_VERSION", "HUSH_HOME", "HUSH_SERVICE", "HUSH_TOKEN", "HUSH_", "HUSH_CACHE_TTL"} {
		t.Setenv(name, "5m")
	}
	t.Setenv("HUSH_EMPTY", "")
	_, err := config.FromEnv()
	require.NoError(t, err)
	assert.Equal(t, []string{"HUSH_", "HUSH_HOME", "HUSH_SERVICE", "HUSH_TOKEN", "HUSH_VERSION"}, config.IgnoredVariables(os.Environ()))
}

// Open reports the mistakes that FromEnviron has found with the mistakes that only the
// schemes can find, each with its place.
func TestOpenReportsTheMistakesOfReading(t *testing.T) {
	environ := []string{"HUSH_PROVIDERS=env evn", "HUSH_CACHE_TTL=5"}
	cfg, readErr := config.FromEnviron(environ, "", nil)
	require.EqualError(t, readErr, "HUSH_CACHE_TTL: has no unit; write 5s for seconds")
	const unknown = `HUSH_PROVIDERS: provider 2: unknown scheme "evn": did you mean "env"? known: env`
	for range 2 { // opening does not change the Config
		_, err := config.Open(t.Context(), cfg, responds("env", 0))
		require.Error(t, err)
		assert.ElementsMatch(t, []string{readErr.Error(), unknown}, strings.Split(err.Error(), "\n"))
	}
}

// A provider that the program has replaced has no place in the environment.
func TestOpenForgetsThePlaceOfAReplacedProvider(t *testing.T) {
	cfg, err := config.FromEnviron([]string{"HUSH_PROVIDERS=evn evn:?a=b"}, "", nil)
	require.Error(t, err)
	cfg.Providers = []config.Store{{URL: "nve"}, cfg.Providers[1]}
	_, err = config.Open(t.Context(), cfg, responds("env", 0))
	assert.ErrorContains(t, err, `config: provider 1: unknown scheme "nve"`)
	assert.ErrorContains(t, err, `HUSH_PROVIDERS: provider 2: unknown scheme "evn"`)
}

func TestFromEnvironTakesTheLastEntryOfAName(t *testing.T) {
	environ := []string{"HUSH_POLICY=any", "HUSH_VERIFY=true", "HUSH_PROVIDERS=env", "HUSH_POLICY=outages", "HUSH_VERIFY="}
	cfg, err := config.FromEnviron(environ, "", nil)
	require.NoError(t, err)
	assert.Equal(t, config.PolicyOutages, cfg.Policy)
	assert.False(t, cfg.Verify, "an empty variable is not set")
}

// TestFromEnvironIgnoresTheProcess has a variable of the process that would be an error.
func TestFromEnvironIgnoresTheProcess(t *testing.T) {
	clearEnv(t)
	t.Setenv("HUSH_PROVIDERS", "no such:url")
	cfg, err := config.FromEnviron([]string{"HUSH_PROVIDERS=env"}, "", nil)
	require.NoError(t, err)
	open(t, cfg, responds("env", 0))
	assert.Equal(t, "no such:url", os.Getenv("HUSH_PROVIDERS"))
}

// A program adds its Logger and its callbacks to what the environment says.
func TestFromEnvWithCallbacks(t *testing.T) {
	clearEnv(t)
	t.Setenv("HUSH_PROVIDERS", "env")
	t.Setenv("HUSH_LOG_LEVEL", "info")
	cfg, err := config.FromEnv()
	require.NoError(t, err)
	core, logs := observer.New(zap.InfoLevel)
	var calls []chain.Call
	cfg.Logger = zap.New(core)
	cfg.OnCall = func(_ context.Context, call chain.Call) { calls = append(calls, call) }
	_, err = open(t, cfg, responds("env", hush.ErrDenied)).Get(t.Context(), hush.Name("db"))
	require.Error(t, err)
	assert.NotEmpty(t, calls)
	assert.NotZero(t, logs.Len())
}
