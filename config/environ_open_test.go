package config_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
)

// Open reports the mistakes that FromEnviron has found with the mistakes that only the
// schemes can find, each with its place.
func TestOpenReportsTheMistakesOfReading(t *testing.T) {
	environ := []string{"HUSH_PROVIDERS=env evn", "HUSH_CACHE_TTL=5"}
	cfg, readErr := config.FromEnviron(environ, "", nil)
	require.EqualError(t, readErr, "HUSH_CACHE_TTL: has no unit; write 5s for seconds")
	const unknown = `HUSH_PROVIDERS: provider 2: unknown scheme "evn": did you mean "env"? known: env`
	for range 2 { // opening does not change the Config
		_, err := config.Open(t.Context(), cfg, says("env", 0))
		require.Error(t, err)
		assert.ElementsMatch(t, []string{readErr.Error(), unknown}, strings.Split(err.Error(), "\n"))
	}
}

// A provider that the program has replaced has no place in the environment.
func TestOpenForgetsThePlaceOfAReplacedProvider(t *testing.T) {
	cfg, err := config.FromEnviron([]string{"HUSH_PROVIDERS=evn evn:?a=b"}, "", nil)
	require.Error(t, err)
	cfg.Providers = []config.Store{{URL: "nve"}, cfg.Providers[1]}
	_, err = config.Open(t.Context(), cfg, says("env", 0))
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
	open(t, cfg, says("env", 0))
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
	_, err = open(t, cfg, says("env", hush.ErrDenied)).Get(t.Context(), hush.Name("db"))
	require.Error(t, err)
	assert.NotEmpty(t, calls)
	assert.NotZero(t, logs.Len())
}
