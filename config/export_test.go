package config

import (
	"go.uber.org/zap"

	"github.com/hush-secrets/hush/cachettl"
)

// Read reads the text of a file.
func Read(data []byte) (*Config, error) {
	d := &draft{}
	d.read("hush.yaml", data)
	return d.checked()
}

// ReadEnviron reads variables.
func ReadEnviron(environ []string) (*Config, error) { return FromEnviron(environ, "", nil) }

// Parse parses the URL of a Store.
func Parse(text string) (Store, error) {
	p, err := Store{URL: text}.parse()
	return p.Store, err
}

// Keys returns the keys of a file.
func Keys() []string {
	keys := []string{"providers", "names"}
	for _, s := range settings() {
		keys = append(keys, s.Key)
	}
	return keys
}

func (c *Config) CacheOptions() *cachettl.Options { return c.cacheOptions(zap.NewNop()) }

// Plain returns c without its origin and with its providers in the form of OpenStore.
func (c *Config) Plain() *Config {
	plain := *c
	plain.origin, plain.Providers = nil, nil
	for _, s := range c.Providers {
		p, _ := s.parse()
		plain.Providers = append(plain.Providers, p.Store)
	}
	return &plain
}

// Variables returns the names of all variables.
func Variables() []string { return variables() }
