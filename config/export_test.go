package config

import (
	"go.uber.org/zap"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

// Read reads the text of a file, and ReadEnviron variables.
func Read(data []byte) (*Config, error) {
	d := &draft{}
	d.read("hush.yaml", data)
	return d.done()
}

func ReadEnviron(environ []string) (*Config, error) { return fromEnviron(environ, "", nil).done() }

// Keys are the keys of all settings.
func Keys() []string {
	keys := []string{"providers", "names"}
	for _, s := range settings() {
		keys = append(keys, s.key)
	}
	return keys
}

func (c *Config) CacheOptions() *cachettl.Options {
	return c.withDefaults().cacheOptions(zap.NewNop())
}

func (c *Config) BreakerOptions() chain.Breaker { return c.withDefaults().Breaker.options() }

// Plain returns c as code would have made it.
func (c *Config) Plain() *Config {
	plain := *c
	plain.origin = nil
	return &plain
}
