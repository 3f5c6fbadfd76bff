package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
)

// TestOptions: a zero turns off, whatever the package that it is for calls off.
func TestOptions(t *testing.T) {
	options := func(c config.Cache) cachettl.Options {
		o := (&config.Config{Cache: c}).CacheOptions()
		o.OnRotate, o.OnStale = nil, nil
		return *o
	}
	assert.Equal(t, cachettl.Options{
		StaleIfError: time.Hour, StaleWait: 100 * time.Millisecond, Jitter: 0.1, MaxEntries: 1000, FetchTimeout: 5 * time.Second, MinRefresh: time.Second,
	}, options(config.Cache{}))
	zero := new(time.Duration(0))
	assert.Equal(t, cachettl.Options{StaleWait: -1, MinRefresh: -1, Jitter: -1, MaxEntries: 1000, FetchTimeout: 5 * time.Second}, options(config.Cache{
		StaleIfError: zero, StaleWait: zero, ServeExpired: zero, RefreshAhead: zero, NegativeTTL: zero, MinRefresh: zero, Jitter: new(0.0),
	}))
	assert.Equal(t, cachettl.Options{
		StaleIfError: 1, StaleWait: 2, ServeExpired: 3, RefreshAhead: 4, NegativeTTL: 5, FetchTimeout: 6, MinRefresh: 7, MaxEntries: 8, Jitter: 0.5,
	}, options(config.Cache{
		StaleIfError: new(time.Duration(1)), StaleWait: new(time.Duration(2)), ServeExpired: new(time.Duration(3)),
		RefreshAhead: new(time.Duration(4)), NegativeTTL: new(time.Duration(5)), FetchTimeout: new(time.Duration(6)),
		MinRefresh: new(time.Duration(7)), MaxEntries: new(8), Jitter: new(0.5),
	}))

	breaker := func(b config.Breaker) chain.Breaker { return (&config.Config{Breaker: b}).BreakerOptions() }
	assert.Equal(t, chain.Breaker{Failures: 5, Wait: time.Second, MaxWait: 30 * time.Second}, breaker(config.Breaker{}))
	assert.Equal(t, chain.Breaker{Failures: -1, Wait: time.Second, MaxWait: 30 * time.Second}, breaker(config.Breaker{Failures: new(0)}))
	assert.Equal(t, chain.Breaker{Failures: 2, Wait: time.Second, MaxWait: time.Minute},
		breaker(config.Breaker{Failures: new(2), Wait: new(time.Second), MaxWait: new(time.Minute)}))
}
