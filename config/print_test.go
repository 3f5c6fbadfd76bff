package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hush-secrets/hush/config"
)

// roundTrip prints c in each form and reads it back.
func roundTrip(t *testing.T, c *config.Config) {
	t.Helper()
	c = c.Plain()
	back, err := config.Read([]byte(c.String()))
	require.NoError(t, err, "%s", c)
	assert.Equal(t, c, back.Plain(), "YAML: %s", c)

	text, err := json.Marshal(c)
	require.NoError(t, err)
	back, err = config.Read(text)
	require.NoError(t, err, "%s", text)
	assert.Equal(t, c, back.Plain(), "JSON: %s", text)

	environ, err := c.Environ()
	require.NoError(t, err)
	back, err = config.ReadEnviron(environ)
	require.NoError(t, err, "%q", environ)
	assert.Equal(t, c, back.Plain(), "variables: %q", environ)
}

func TestRoundTrip(t *testing.T) {
	roundTrip(t, everything())
	roundTrip(t, &config.Config{})
	roundTrip(t, &config.Config{
		Providers: []config.Store{{URL: "x", Name: "true"}, {URL: "null"}, {URL: "x:?a=%20#f", Name: "1.5", Prefix: "ü &?#%+ \u2028"}},
		Names:     map[string]map[string]string{"<<": {"x": "\u2028#\ufeff"}, "=": {"null": "- a"}, "*a": {"x": "!!b"}},
	})
}

func TestPrint(t *testing.T) {
	c := config.Config{
		Providers: []config.Store{{URL: "extension"}, {URL: "direct:?region=x&link_timeout=90s&link_name=far"}},
		Cache:     config.Cache{TTL: new(time.Hour)}, Verify: true,
	}
	want := "cache:\n    ttl: 1h\nproviders:\n    - extension\n    - name: far\n      timeout: 1m30s\n      url: direct:?region=x\nverify: true\n"
	assert.Equal(t, want, c.String())
	assert.Equal(t, want, fmt.Sprint(c))
	assert.Equal(t, want, fmt.Sprintf("%+v", &c))
	environ, err := c.Environ()
	require.NoError(t, err)
	assert.Equal(t, []string{
		"HUSH_PROVIDERS=extension direct:?region=x&link_name=far&link_timeout=1m30s", "HUSH_CACHE_TTL=1h", "HUSH_VERIFY=true",
	}, environ)
}

// A part of an application's own file.
func TestEmbedded(t *testing.T) {
	type app struct {
		Port int           `yaml:"port" json:"port"`
		Hush config.Config `yaml:"hush" json:"hush"`
	}
	want := app{Port: 80, Hush: config.Config{Providers: []config.Store{{URL: "env"}}, Cache: config.Cache{TTL: new(time.Duration(0))}}}
	for _, marshal := range []func(any) ([]byte, error){yaml.Marshal, json.Marshal} {
		text, err := marshal(want)
		require.NoError(t, err)
		var got app
		require.NoError(t, yaml.Unmarshal(text, &got), "%s", text)
		assert.Equal(t, want, got)
	}
	var got app
	require.NoError(t, json.Unmarshal([]byte(`{"port": 80, "hush": {"providers": ["env"], "cache": {"ttl": "0"}}}`), &got))
	assert.Equal(t, want, got)
	assert.ErrorContains(t, yaml.Unmarshal([]byte("port: 1\nhush:\n  cache: {tll: 5m}\n"), &got), `3:11: cache: unknown key "tll"`)
	assert.ErrorContains(t, yaml.Unmarshal([]byte("hush: &a {policy: any}\n"), &got), "1:7: an anchor")
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"hush": {"cache": {"ttl": 5}}}`), &got), "1:19: cache.ttl: has no unit")
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"hush": 5}`), &got), "1:1: is a single value")
}

// What cannot be read back is not printed: it may hold what it should not.
func TestPrintOfWhatIsWrong(t *testing.T) {
	c := config.Config{Providers: []config.Store{{URL: "vault://root:hunter2@host"}}}
	_, jsonErr := json.Marshal(c)
	_, environErr := c.Environ()
	_, yamlErr := c.MarshalYAML()
	for _, err := range []error{jsonErr, environErr, yamlErr} {
		require.ErrorContains(t, err, "user info in the URL")
		assert.NotContains(t, err.Error(), "hunter2")
	}
	for _, text := range []string{c.String(), c.Providers[0].String()} {
		assert.Contains(t, text, "user info in the URL")
		assert.NotContains(t, text, "hunter2")
		assert.True(t, strings.HasPrefix(text, "["))
	}
}

func TestParseStore(t *testing.T) {
	for text, want := range map[string]config.Store{
		"env":                         {URL: "env"},
		"env:":                        {URL: "env"},
		"env:?":                       {URL: "env"},
		"env:?link_name=a":            {URL: "env", Name: "a"},
		"env:?x=1&link_name=a&y=%2f":  {URL: "env:?x=1&y=%2f", Name: "a"},
		"env:?link%5Fname=a":          {URL: "env", Name: "a"},
		"v://h:1,i:2/p?link_prefix=%": {},
		"v://h:1/p?link_prefix=a+b":   {URL: "v://h:1/p", Prefix: "a b"},
		"v://h?link_timeout=1s#f":     {URL: "v://h#f", Timeout: time.Second},
		"v:?#link_name=a":             {URL: "v:#link_name=a"},
	} {
		got, err := config.ParseStore(text)
		if want == (config.Store{}) {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		again, err := config.ParseStore(got.String())
		require.NoError(t, err, text)
		assert.Equal(t, got, again, text)
	}
}

func TestLinkOfCodeRefused(t *testing.T) {
	for want, l := range map[string]config.Store{
		"the timeout is negative":     {URL: "env", Timeout: -1},
		"the name of a link":          {URL: "env", Name: "a b"},
		"the prefix is nothing":       {URL: "env", Prefix: "\x00"},
		"says what is said already":   {URL: "env:?link_name=a", Name: "b"},
		"the policy is any or outage": {URL: "env", Policy: "hunter2"},
	} {
		_, err := config.Open(t.Context(), &config.Config{Providers: []config.Store{l}}, says("env", 0))
		assert.ErrorContains(t, err, "config: provider 1: ")
		assert.ErrorContains(t, err, want)
		assert.Contains(t, l.String(), want)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestParseStoreRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "the URL is empty",
		"://x":                                 "this is no URL of a provider, such as",
		"hunter2,env":                          "separated by spaces",
		"hunter2?region=x":                     "parameters come after a colon and a question mark",
		"direct:?region=a b":                   "without spaces",
		"direct:?region=\u00a0":                "without spaces",
		"direct:?region=\xff":                  "UTF-8",
		"vault://hunter2@host":                 "user info in the URL",
		"vault://host:hunter2":                 "this is no URL of a provider",
		"vault:?password=hunter2":              `parameter "password": a URL names a store and holds no credential`,
		"vault:?Secret_ID=hunter2":             `parameter "Secret_ID"`,
		"vault:?to%6ben=hunter2":               `parameter "token"`,
		"vault:?a=%zz":                         "the parameters are not a URL's query",
		"vault:?a=b;token=hunter2":             "the parameters are not a URL's query",
		"env:?link_nam=a":                      `unknown parameter of a link "link_nam"; known: link_name, link_timeout, link_policy, link_prefix: did you mean "link_name"?`,
		"env:?link_name=":                      `parameter "link_name" is empty`,
		"env:?link_name=a&link_name=b":         `parameter "link_name" says what is said already`,
		"env:?link_name=hunter2/x":             "the name of a link is",
		"env:?link_timeout=3":                  `parameter "link_timeout" has no unit`,
		"env:?link_timeout=-3s":                `parameter "link_timeout" is negative`,
		"env:?link_timeout=0":                  `parameter "link_timeout" is 0`,
		"env:?link_policy=hunter2":             "the policy is any or outages",
		"env:?link_prefix=%00hunter2":          "the prefix is nothing that a name can begin with",
		"env:?link_prefix=%ff":                 "the prefix is nothing",
		"env:?link_name=" + long("a", 65):      "the name of a link is",
		"env:?link_timeout=1s&link_timeout=2s": "says what is said already",
	} {
		_, err := config.ParseStore(text)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
		assert.NotContains(t, err.Error(), "hunter2", text)
	}
}

func long(s string, n int) string { return strings.Repeat(s, n) }
