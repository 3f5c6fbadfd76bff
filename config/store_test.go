package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/config"
)

func TestStringListsTheStores(t *testing.T) {
	c := config.Config{Providers: []config.Store{
		{URL: "extension"}, {URL: "env:?prefix=APP_"}, {URL: "direct:?region=x&link_timeout=90s", Name: "far"}, {URL: "vault:"},
	}}
	const want = "extension, env (env:?prefix=APP_), far (direct:?region=x), vault"
	assert.Equal(t, want, c.String())
	assert.Equal(t, want, fmt.Sprintf("%+v", &c))
}

// The URL of an invalid Store may hold a credential.
func TestStringOfAnInvalidStoreIsTheMistake(t *testing.T) {
	c := config.Config{Providers: []config.Store{{URL: "vault://root:hunter2@host"}, {URL: "env", Policy: "hunter2"}}}
	assert.Contains(t, c.Providers[0].String(), "[user info in the URL")
	assert.Contains(t, c.Providers[1].String(), "[the policy must be any or outages")
	for _, format := range []string{"%v", "%+v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(format, c), "hunter2")
		assert.NotContains(t, fmt.Sprintf(format, c.Providers), "hunter2")
	}
}

func TestParseStore(t *testing.T) {
	for text, want := range map[string]config.Store{
		"env":                         {URL: "env", Name: "env"},
		"env:":                        {URL: "env", Name: "env"},
		"env:?":                       {URL: "env", Name: "env"},
		"env:?link_name=a":            {URL: "env", Name: "a"},
		"env:?x=1&link_name=a&y=%2f":  {URL: "env:?x=1&y=%2f", Name: "a"},
		"env:?link%5Fname=a":          {URL: "env", Name: "a"},
		"v://h:1,i:2/p?link_prefix=%": {},
		"v://h:1/p?link_prefix=a+b":   {URL: "v://h:1/p", Name: "v", Prefix: "a b"},
		"v://h?link_timeout=1s#f":     {URL: "v://h#f", Name: "v", Timeout: time.Second},
		"v:?#link_name=a":             {URL: "v:#link_name=a", Name: "v"},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := config.Parse(text)
			if want == (config.Store{}) {
				require.Error(t, err, text)
				return
			}
			require.NoError(t, err, text)
			assert.Equal(t, want, got, text)
		})
	}
}

func TestOpenReportsInvalidFieldsOfAStore(t *testing.T) {
	for want, l := range map[string]config.Store{
		"the timeout must not be negative": {URL: "env", Timeout: -1},
		"use 1 to 64 letters":              {URL: "env", Name: "a b"},
		"invalid prefix":                   {URL: "env", Prefix: "\x00"},
		"is set twice":                     {URL: "env:?link_name=a", Name: "b"},
		"the policy must be any or outage": {URL: "env", Policy: "hunter2"},
	} {
		t.Run(want, func(t *testing.T) {
			_, err := config.Open(t.Context(), &config.Config{Providers: []config.Store{l}}, responds("env", 0))
			assert.ErrorContains(t, err, "config: provider 1: ")
			assert.ErrorContains(t, err, want)
			assert.Contains(t, l.String(), want)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestValidateReportsMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "the URL is empty",
		"://x":                                 "write for example extension",
		"hunter2,env":                          "separate the URLs of a list by spaces",
		"hunter2?region=x":                     "write a colon and a question mark before parameters",
		"direct:?region=a b":                   "without spaces",
		"direct:?region=\u00a0":                "without spaces",
		"direct:?region=\xff":                  "UTF-8",
		"vault://hunter2@host":                 "user info in the URL",
		"vault://host:hunter2":                 "write for example extension",
		"vault:?password=hunter2":              `parameter "password": the URL of a store must not contain credentials`,
		"vault:?Secret_ID=hunter2":             `parameter "Secret_ID"`,
		"vault:?to%6ben=hunter2":               `parameter "token"`,
		"vault:?a=%zz":                         "write key=value, with & between two parameters",
		"vault:?a=b;token=hunter2":             "write key=value, with & between two parameters",
		"env:?link_nam=a":                      `unknown parameter "link_nam": did you mean "link_name"? known: link_name, link_timeout, link_policy, link_prefix`,
		"env:?link_name=":                      `parameter "link_name" is empty`,
		"env:?link_name=a&link_name=b":         `parameter "link_name" is set twice`,
		"env:?link_name=hunter2/x":             "use 1 to 64 letters",
		"env:?link_timeout=3":                  `parameter "link_timeout" has no unit`,
		"env:?link_timeout=-3s":                `parameter "link_timeout" must be more than 0`,
		"env:?link_timeout=0":                  `parameter "link_timeout" must be more than 0`,
		"env:?link_policy=hunter2":             "the policy must be any or outages",
		"env:?link_prefix=%00hunter2":          "invalid prefix; use the first characters",
		"env:?link_prefix=%ff":                 "invalid prefix",
		"env:?link_name=" + long("a", 65):      "use 1 to 64 letters",
		"env:?link_timeout=1s&link_timeout=2s": "is set twice",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := config.Parse(text)
			require.Error(t, err, text)
			assert.Contains(t, err.Error(), want, text)
			assert.NotContains(t, err.Error(), "hunter2", text)
		})
	}
}

func long(s string, n int) string { return strings.Repeat(s, n) }
