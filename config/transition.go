package config

import (
	"context"
	"os"

	"github.com/hush-secrets/hush"
)

// FromEnvText is FromEnviron with the environment of the process.
func FromEnvText(path string, text []byte) (*Config, error) {
	return FromEnviron(os.Environ(), path, text)
}

// OpenEnvText is FromEnvText and Open.
func OpenEnvText(ctx context.Context, path string, text []byte, schemes ...hush.Scheme) (*Provider, error) {
	c, _ := FromEnvText(path, text)
	return Open(ctx, c, schemes...)
}

// ParseStore parses the URL of a Store.
func ParseStore(text string) (Store, error) {
	p, err := Store{URL: text}.parse()
	return p.Store, err
}

// Variables returns the names of the variables that FromEnviron reads.
func Variables() []string { return variables() }
