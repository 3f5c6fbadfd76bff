package config_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

// TestOptions: a zero turns off, whatever the package that it is for calls off.
func TestOptions(t *testing.T) {
	options := func(c config.Cache) cachettl.Options {
		o := (&config.Config{Cache: c}).CacheOptions()
		o.OnRotate, o.OnStale = nil, nil
		return *o
	}
	assert.Equal(t, cachettl.Options{
		StaleIfError: time.Hour, StaleWait: 100 * time.Millisecond, Jitter: 0.1, MaxEntries: 1000, MaxFetches: 64, FetchTimeout: 5 * time.Second, MinRefresh: time.Second,
	}, options(config.Cache{}))
	zero := new(time.Duration(0))
	assert.Equal(t, cachettl.Options{StaleWait: -1, MinRefresh: -1, Jitter: -1, MaxEntries: 1000, MaxFetches: -1, FetchTimeout: 5 * time.Second}, options(config.Cache{
		StaleIfError: zero, StaleWait: zero, StaleWhileRevalidate: zero, RefreshAhead: zero, NegativeTTL: zero, MinRefresh: zero, Jitter: new(0.0), MaxFetches: new(0),
	}))
	assert.Equal(t, cachettl.Options{
		StaleIfError: 1, StaleWait: 2, StaleWhileRevalidate: 3, RefreshAhead: 4, NegativeTTL: 5, FetchTimeout: 6, MinRefresh: 7, MaxEntries: 8, MaxFetches: 9, Jitter: 0.5,
	}, options(config.Cache{
		StaleIfError: new(time.Duration(1)), StaleWait: new(time.Duration(2)), StaleWhileRevalidate: new(time.Duration(3)),
		RefreshAhead: new(time.Duration(4)), NegativeTTL: new(time.Duration(5)), FetchTimeout: new(time.Duration(6)),
		MinRefresh: new(time.Duration(7)), MaxEntries: new(8), MaxFetches: new(9), Jitter: new(0.5),
	}))

	breaker := func(b config.Breaker) chain.Breaker { return (&config.Config{Breaker: b}).BreakerOptions() }
	assert.Equal(t, chain.Breaker{Failures: 5, Wait: time.Second, MaxWait: 30 * time.Second}, breaker(config.Breaker{}))
	assert.Equal(t, chain.Breaker{Failures: -1, Wait: time.Second, MaxWait: 30 * time.Second}, breaker(config.Breaker{Failures: new(0)}))
	assert.Equal(t, chain.Breaker{Failures: 2, Wait: time.Second, MaxWait: time.Minute},
		breaker(config.Breaker{Failures: new(2), Wait: new(time.Second), MaxWait: new(time.Minute)}))
}

// A fetch that a Get leaves behind does not end in Lambda, so a Get waits for it.
func TestStaleWaitInLambda(t *testing.T) {
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
	staleWait := func(c config.Cache) time.Duration { return (&config.Config{Cache: c}).CacheOptions().StaleWait }
	assert.Equal(t, 5*time.Second, staleWait(config.Cache{}))
	assert.Equal(t, 2*time.Second, staleWait(config.Cache{FetchTimeout: new(2 * time.Second)}))
	assert.Equal(t, time.Second, staleWait(config.Cache{StaleWait: new(time.Second)}), "an explicit value")
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "")
	assert.Equal(t, 100*time.Millisecond, staleWait(config.Cache{}))
}

// A jitter that is not a number is an error, and not a cache without a TTL.
func TestAJitterThatIsNotANumber(t *testing.T) {
	_, err := config.Open(t.Context(), &config.Config{
		Providers: []config.Store{{URL: "env:"}}, Cache: config.Cache{Jitter: new(math.NaN())},
	}, all.Schemes()...)
	assert.ErrorContains(t, err, "cache.jitter")
	_, err = config.ReadEnviron([]string{"HUSH_PROVIDERS=env:", "HUSH_CACHE_JITTER=NaN"})
	assert.ErrorContains(t, err, "HUSH_CACHE_JITTER")
}
