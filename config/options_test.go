package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
)

// TestOptions: what is not given is the default of the package that it is for, but for
// two, and a zero turns off, whatever that package calls off.
func TestOptions(t *testing.T) {
	options := func(c config.Cache) cachettl.Options {
		o := (&config.Config{Cache: c}).CacheOptions()
		o.OnRotate, o.OnStale = nil, nil
		return *o
	}
	assert.Equal(t, cachettl.Options{StaleIfError: time.Hour}, options(config.Cache{}))
	zero := new(time.Duration(0))
	assert.Equal(t, cachettl.Options{StaleWait: -1, MinRefresh: -1, Jitter: -1}, options(config.Cache{
		StaleIfError: zero, StaleWait: zero, ServeExpired: zero, RefreshAhead: zero, NegativeTTL: zero, MinRefresh: zero, Jitter: new(0.0),
	}))
	assert.Equal(t, cachettl.Options{
		StaleIfError: 1, StaleWait: 2, ServeExpired: 3, RefreshAhead: 4, NegativeTTL: 5, FetchTimeout: 6, MinRefresh: 7, MaxEntries: 8, Jitter: 0.5,
	}, options(config.Cache{
		StaleIfError: new(time.Duration(1)), StaleWait: new(time.Duration(2)), ServeExpired: new(time.Duration(3)),
		RefreshAhead: new(time.Duration(4)), NegativeTTL: new(time.Duration(5)), FetchTimeout: new(time.Duration(6)),
		MinRefresh: new(time.Duration(7)), MaxEntries: new(8), Jitter: new(0.5),
	}))

	assert.Equal(t, chain.Breaker{}, config.Breaker{}.Options())
	assert.Equal(t, chain.Breaker{Failures: -1}, config.Breaker{Failures: new(0)}.Options())
	assert.Equal(t, chain.Breaker{Failures: 2, Wait: time.Second, MaxWait: time.Minute},
		config.Breaker{Failures: new(2), Wait: new(time.Second), MaxWait: new(time.Minute)}.Options())
}
