package config_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
)

// The error about an unknown scheme names the scheme to use instead, if the program
// passes it.
func TestUnknownSchemesHaveAReplacement(t *testing.T) {
	for url, advice := range map[string]string{
		"ssm":                   "; Parameter Store is not supported; use direct, which reads AWS Secrets Manager",
		"secretsmanager:?a=b":   "; use direct, which reads AWS Secrets Manager",
		"file:///run/secrets":   "; use env:?files=true, which reads NAME from the file that the variable NAME_FILE names",
		"gcp":                   "; this store is not supported; mount its secrets as files or variables and use env:?files=true",
		"openbao":               "", // the program does not pass vault
		"something-else":        "",
		"lambda":                "",
		"AWS:?region=eu-west-1": "; use direct, which reads AWS Secrets Manager",
	} {
		t.Run(url, func(t *testing.T) {
			cfg := &config.Config{Providers: []config.Store{{URL: url}}}
			_, err := config.Open(t.Context(), cfg, []hush.Scheme{responds("direct", 0), responds("env", 0)}...)
			assert.Regexp(t, `^config: provider 1: unknown scheme "[a-z-]+"; known: direct, env`+regexp.QuoteMeta(advice)+`$`, err.Error(), url)
		})
	}
}
