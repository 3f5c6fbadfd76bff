package config_test

import (
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/config"
)

// FuzzParseStore parses the URL of a valid Store again, which does not change it. No
// valid Store has a credential.
func FuzzParseStore(f *testing.F) {
	for _, seed := range []string{
		"env", "direct:?region=eu-west-1&link_name=a&link_timeout=1m0s&link_policy=any&link_prefix=a%2Fb", "vault://h:1,i/p?tls=false#f",
		"x:?&&link_name=a&", "x:?link_name=a#?", "%6b:", "x:y?a=b", "x::", "vault://u:p@h", "x:?token=1",
		"vault:u:p@h", "vault:/u:p@h/m", "vault:///u:p@h", "vault:u%3ap%40h", "x:?a=b://u:p@h", "x:?a_pass-word%3Db", "x:?link_prefix=b://u@h",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		link, err := config.Parse(text)
		if err != nil {
			return
		}
		again, err := config.Parse(link.URL)
		require.NoError(t, err, "%q has the URL %q", text, link.URL)
		assert.Equal(t, link.URL, again.URL, "%q has the URL %q", text, link.URL)
		assert.NotContains(t, link.URL, " ")
		assert.False(t, holdsCredential(link.URL), "%q has the URL %q", text, link.URL)
	})
}

var (
	withHost   = regexp.MustCompile(`^[^:/]+://[^/@]+/`)
	credential = regexp.MustCompile(`(?i)(token|passw(or)?d|pwd|passphrase|(secret|access|api|private|client)[-_]*key|secret([-_]*id)?|credential|jwt|bearer)s?[-_]*(=|$)`)
	withUser   = regexp.MustCompile(`(?s)://.*@`)
)

// holdsCredential reports whether a URL holds a credential, with code that is independent
// of the package.
func holdsCredential(text string) bool {
	base, query, _ := strings.Cut(text, "?")
	base, _, _ = strings.Cut(base, "#")
	query, _, _ = strings.Cut(query, "#")
	if plain, err := url.PathUnescape(base); err == nil && strings.Contains(plain, "@") && !withHost.MatchString(plain) {
		return true
	}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, _ = url.QueryUnescape(key)
		value, _ = url.QueryUnescape(value)
		if credential.MatchString(key) || withUser.MatchString(value) {
			return true
		}
	}
	return false
}

// FuzzLoad reads any text. Each error has a place.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		everythingYAML, everythingJSON, "", "---\n", "{", "a: &a [*a]", "names: {a: {b: '#'}}", "{\"names\":{\"\\ud800\":{\"b\":\"c\"}}}",
		"providers: [x:?link_name=a, {url: x}]", "cache: {ttl: 0, jitter: 1e-7}", "? x\n: y", "policy: !!binary YW55", "\ufeffverify: true",
		"- - - -", "names: {\"\\u2028\": {a: \"\\ufeff\"}}", "log: {level: \"off\"}", "names:\n  ? |\n   a\n  : {b: c}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := config.Read([]byte(text)); err != nil {
			assert.True(t, strings.HasPrefix(err.Error(), "hush.yaml") || strings.HasPrefix(err.Error(), "config: "), err)
		}
	})
}

// FuzzFromEnv reads any variables. Each error has a place.
func FuzzFromEnv(f *testing.F) {
	f.Add("extension direct:?link_name=a", "{db: {a: b}}", "HUSH_CACHE_TTL", "5m")
	f.Add("env", "{\"a\":{\"env\":\"b#c\"}}", "HUSH_CACHE_JITTER", "0x1p-2")
	f.Add("", "", "HUSH_VERIFY", "false")
	f.Fuzz(func(t *testing.T, providers, names, name, value string) {
		if name == "HUSH_CONFIG" {
			return
		}
		environ := []string{"HUSH_PROVIDERS=" + providers, "HUSH_NAMES=" + names, name + "=" + value}
		if _, err := config.ReadEnviron(environ); err != nil {
			assert.True(t, strings.HasPrefix(err.Error(), "HUSH_") || strings.HasPrefix(err.Error(), "\"HUSH_"), err)
		}
	})
}

// TestEveryFieldHasAKey goes through the structs, so that files and variables can set
// each field that is not a function or a Logger.
func TestEveryFieldHasAKey(t *testing.T) {
	code := []string{"Logger", "CountHits"}
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			switch f := v.Field(i); {
			case !field.IsExported(), field.Type.Kind() == reflect.Func, slices.Contains(code, field.Name):
			case f.Kind() == reflect.Struct:
				walk(f, path+field.Name+".")
			default:
				assert.False(t, f.IsZero(), "%s%s is not set: no test reads it", path, field.Name)
			}
		}
	}
	walk(reflect.ValueOf(*everything()), "")
	walk(reflect.ValueOf(everything().Providers[1]), "Store.")
}
