package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/config"
)

// Every other field of Config.Cache is the option of the cache itself.
func TestStaleIfErrorIsAnHourByDefault(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: time.Hour, -1: -1, time.Minute: time.Minute} {
		c := config.Config{Cache: cachettl.Options{StaleIfError: given, MaxEntries: 7}}
		opts := c.CacheOptions()
		assert.Equal(t, want, opts.StaleIfError)
		assert.Equal(t, 7, opts.MaxEntries)
		assert.Equal(t, given, c.Cache.StaleIfError, "the Config does not change")
	}
}

// In Lambda, a Get waits for its fetch, because a fetch in the background does not end.
func TestStaleWaitInLambda(t *testing.T) {
	staleWait := func(opts cachettl.Options) time.Duration {
		return (&config.Config{Cache: opts}).CacheOptions().StaleWait
	}
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
	assert.Equal(t, 5*time.Second, staleWait(cachettl.Options{}))
	assert.Equal(t, 5*time.Second, staleWait(cachettl.Options{FetchTimeout: -1}))
	assert.Equal(t, 2*time.Second, staleWait(cachettl.Options{FetchTimeout: 2 * time.Second}))
	assert.Equal(t, time.Second, staleWait(cachettl.Options{StaleWait: time.Second}))
	assert.EqualValues(t, -1, staleWait(cachettl.Options{StaleWait: -1}))
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "")
	assert.Zero(t, staleWait(cachettl.Options{}), "the default of the cache")
}
