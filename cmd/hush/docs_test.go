package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

// providerURLs matches the URLs of stores in shell commands, YAML and JSON.
func providerURLs() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`HUSH_PROVIDERS=(?:"([^"]+)"|'([^']+)'|([^\s"'` + "`" + `,;|)]+))`),
		regexp.MustCompile(`HUSH_PROVIDERS"?, "?value"?: (?:"([^"]+)"|([^\s"}]+))`),
		regexp.MustCompile(`--provider(?: |", |, )(?:"([^"]+)"|'([^']+)'|([^\s"'` + "`" + `,\]|]+))`),
	}
}

// Every URL of a store in the docs can be opened without any configuration.
func TestDocumentedProviders(t *testing.T) {
	for _, name := range []string{"VAULT_ADDR", "VAULT_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_ACCESS_KEY_ID"} {
		t.Setenv(name, "")
		require.NoError(t, os.Unsetenv(name))
	}
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	require.NoError(t, err)
	found := 0
	for _, page := range append(pages, filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, pattern := range providerURLs() {
			for _, match := range pattern.FindAllStringSubmatch(string(text), -1) {
				urls := strings.Join(match[1:], "")
				if urls == "URL" {
					continue
				}
				found++
				assert.NoError(t, openAll(t, urls), "%s: %s", filepath.Base(page), urls)
			}
		}
	}
	assert.Greater(t, found, 20)
}

// openAll opens the stores of urls, which are separated by spaces.
func openAll(t *testing.T, urls string) error {
	t.Helper()
	cfg := &config.Config{}
	for url := range strings.FieldsSeq(urls) {
		cfg.Providers = append(cfg.Providers, config.Store{URL: url})
	}
	p, err := config.Open(t.Context(), cfg, all.Schemes()...)
	if err != nil {
		return err
	}
	return p.Close()
}
