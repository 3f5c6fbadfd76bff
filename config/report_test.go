package config_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

// TestURLsWithCredentialsAreInvalid has a credential in each place of a URL. No scheme
// sees it, and no error and no String contains it.
func TestURLsWithCredentialsAreInvalid(t *testing.T) {
	for _, text := range []string{
		"vault:user:hunter2@host", "vault:hunter2@host", "vault:user:hunter2%40host", "vault:/user:hunter2@host/apps", "vault:///user:hunter2@host",
		"vault:///user:hunter2%40host", "vault://user:hunter2@host", "direct:user:hunter2@h", "user:hunter2@host", "admin:hunter2@host/kv?a=b",
		"direct:?endpoint=https://u:hunter2@h", "direct:?endpoint=https%3A%2F%2Fu%3Ahunter2%40h", "x:?db=postgres://u:hunter2@h/d",
		"vault:?db-Pass-word=hunter2", "vault:?password%3Dhunter2", "x:?to-ken=hunter2", "x:?link_prefix=https://u:hunter2@h",
		"x:?API_Key=hunter2", "vault:?secretId=hunter2", "vault:?db_credentials=hunter2",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := config.Parse(text)
			require.ErrorContains(t, err, "the URL of a store must not contain credentials", text)
			c := config.Config{Providers: []config.Store{{URL: text, Timeout: -1}}}
			opened := false
			_, openErr := config.Open(t.Context(), &c, hush.Scheme{Name: "x", Open: func(context.Context, *url.URL) (hush.Provider, error) {
				opened = true
				return nil, nil
			}})
			assert.False(t, opened, "no scheme sees a credential")
			require.ErrorContains(t, openErr, "; the timeout must not be negative", "%s: other mistakes are reported", text)
			_, readErr := config.Read([]byte("providers: ['" + text + "']"))
			for _, said := range []string{err.Error(), openErr.Error(), readErr.Error(), c.String(), c.Providers[0].String()} {
				assert.Contains(t, said, "must not contain credentials")
				assert.NotContains(t, said, "hunter2", text)
			}
		})
	}
}

// TestErrorsDoNotQuoteTokens replaces each kind of word in a configuration with a token.
func TestErrorsDoNotQuoteTokens(t *testing.T) {
	const token = "hvs.CAESIJ4q8yXk2mVbT1oWmD"
	for text, want := range map[string]string{
		token + ": x":                                                                   "unknown key of 26 bytes",
		"cache: {" + token + ": x}":                                                     "unknown key of 26 bytes",
		token + "=x: 1":                                                                 "unknown key of 26 bytes",
		"providers: ['env:?" + token + "=1']":                                           "unknown parameter of 26 bytes",
		"providers: ['env:?link_" + token + "']":                                        "unknown parameter of 31 bytes",
		"providers: ['" + token[4:] + "']":                                              "unknown scheme of 22 bytes",
		"providers: [{" + token + ": x, a: b}]":                                         "unknown key of 26 bytes",
		"names: {db: {" + token + ": x}}":                                               "unknown provider of 26 bytes",
		"names: {db: {'" + token + "!': x}}":                                            "invalid name of 27 bytes",
		"{'" + token + "': 1, '" + token + "': 1}":                                      "unknown key of 26 bytes",
		"names: {db: {" + token + ": x, " + token + ": x}}":                             "duplicate key of 26 bytes",
		"providers: ['direct:?region=" + token + "']":                                   "invalid region",
		"providers: ['direct:?role_arn=" + token + "']":                                 "invalid role",
		"providers: ['vault://h/?auth=aws&region=" + token + "']":                       "invalid region",
		"providers: ['vault://h/?auth=aws&region=-" + strings.ToLower(token[4:]) + "']": "invalid region",
	} {
		t.Run(want, func(t *testing.T) {
			_, err := openFile(t, write(t, text), all.Schemes()...)
			require.ErrorContains(t, err, want, text)
			assert.NotContains(t, strings.ToLower(err.Error()), "caesij4q8yxk", text)
		})
	}
}

// TestAllMistakesOfAProviderAreReported has mistakes in the URL, in the fields beside it,
// in the scheme and in its parameters.
func TestAllMistakesOfAProviderAreReported(t *testing.T) {
	for item, wants := range map[string][]string{
		"{url: 'drect:?link_timeout=3', policy: all}":                {"has no unit", "the policy must be any or outages", `unknown scheme "drect"`},
		"'env:?link_nam=x&link_name=a%20b&link_timeout=-1s&prefx=A'": {`"link_nam"`, "1 to 64 letters", "must be more than 0", `env: unknown parameter "prefx"`},
		"{url: 'env:?link_nam=x', timeout: 3, policy: all}":          {"timeout: has no unit", `"link_nam"`, "the policy must be any or outages"},
		"{url: 'env:?files=no', timeout: 3, name: ''}":               {"timeout: has no unit", "name: is empty", `"files" must be true or false`},
		"env:?files=no&prefix=a%3Db&prefx=x":                         {`"files" must be true`, `"prefix" must not contain`, `unknown parameter "prefx"`},
		"extension:?timeout=3&ready_wait=x&dialect=y&endpoint=z":     {`"timeout" must be`, `"ready_wait" must be`, `"dialect" must be`, "invalid endpoint"},
		"direct:?timeout=3&batch=x&instance_metadata=y&region=a.b&external_id=x&endpoint=z": {
			`"timeout"`, `"batch"`, `"instance_metadata"`, "invalid region", "external ID", "invalid endpoint",
		},
		"vault://h/a//b?timeout=3&revoke=x&kv=3&tls=y&auth=z": {`"timeout"`, `"revoke"`, `"kv"`, "empty path segment", `"tls"`, `"auth"`},
		"vault://h/kv?mounts=sys,,b&kv=1&tls=false&ca_file=f&server_name=g": {
			"is reserved for Vault itself", "empty path segment", `"kv" and "mounts" exclude`, "a path in the URL", `"ca_file" and tls=false`, `"server_name" and tls=false`,
		},
		"vault://h/kv?auth=approle&wrapped=on&secret_id_file=f&secret_id_env=e&auth_mount=../x": {
			`"wrapped" must be true`, `segment ".."`, `"role_id" is required`, "exclude each other",
		},
		"vault://h/kv?auth=jwt&role_id=r&wrapped=true":            {`"role_id" is not used`, `"wrapped" is not used`},
		"vault://h/kv?auth=kubernetes&auth_mount=..":              {`segment ".."`, `"role" is required`},
		"vault://h/kv?auth=jwt&auth_mount=..":                     {`segment ".."`, `"jwt_file" or "jwt_env"`},
		"vault://h/kv?auth=aws&auth_mount=..&region=A&role_arn=b": {`segment ".." is not`, "invalid region", "invalid role"},
	} {
		t.Run(item, func(t *testing.T) {
			_, err := openFile(t, write(t, "providers:\n  - "+item+"\n"), all.Schemes()...)
			require.Error(t, err, item)
			for _, want := range wants {
				assert.ErrorContains(t, err, want, item)
				assert.Equal(t, 1, strings.Count(err.Error(), want), "%s: %q is reported once: %s", item, want, err)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				assert.Contains(t, line, ": provider 1: ", item)
			}
		})
	}
	_, err := config.Open(t.Context(), &config.Config{Providers: []config.Store{{URL: "vault:?a1b2c3=1&d4e5f6=2&g7h8i9=3"}}}, all.Schemes()...)
	assert.Equal(t, 1, strings.Count(err.Error(), "vault takes "), "%s", err)
}

// TestConsequencesOfAMistakeAreNotReported has a misspelt role, which is not also missing.
func TestConsequencesOfAMistakeAreNotReported(t *testing.T) {
	_, err := config.Open(t.Context(), &config.Config{Providers: []config.Store{{URL: "vault://h/kv?auth=kubernetes&rle=app"}}}, all.Schemes()...)
	require.ErrorContains(t, err, `did you mean "role"?`)
	assert.NotContains(t, err.Error(), "is required")

	_, err = config.Read([]byte("providers: [env, 'env:?link_name=a%20b']"))
	require.ErrorContains(t, err, "1 to 64 letters")
	assert.NotContains(t, err.Error(), "twice")
}

// TestReportsAreLimited reads files with thousands of mistakes.
func TestReportsAreLimited(t *testing.T) {
	_, err := config.Read([]byte(strings.Repeat("- env\n", 1<<17)))
	require.EqualError(t, err, "hush.yaml:1:1: must be a mapping of keys to values, not a list; known keys: providers, names, cache, breaker, policy, log, verify")

	for text, lines := range map[string]int{
		"providers:\n" + strings.Repeat("  - env\n", 1<<16): 64, // the first is valid, and one line is about the number
		"providers:\n" + strings.Repeat("  - {}\n", 1<<16):  65,
		"names: {" + strings.Repeat("'': {a: b}, ", 1<<16):  101,
		"names:\n" + names(5000, "'#'"):                     101,
	} {
		_, err := config.Read([]byte(strings.TrimSuffix(text, ", ") + map[bool]string{true: "}"}[strings.HasSuffix(text, ", ")]))
		require.Error(t, err)
		assert.Equal(t, lines, strings.Count(err.Error(), "\n")+1, "%.200s", err)
		assert.Less(t, len(err.Error()), 1<<14)
	}
	_, err = config.Read([]byte("names:\n" + names(5000, "'#'")))
	assert.True(t, strings.HasSuffix(err.Error(), "\nand 4900 more mistakes"))
	_, err = config.Read([]byte("names:\n" + names(100, "'#'")))
	assert.NotContains(t, err.Error(), "more")

	for count, wrong := range map[int]bool{64: false, 65: true, 10_000: true} {
		var texts []string
		for i := range count {
			texts = append(texts, fmt.Sprintf("env:?link_name=a%d&prefix=A%d", i, i))
		}
		_, fileErr := config.Read([]byte("providers: ['" + strings.Join(texts, "', '") + "']"))
		_, environErr := config.ReadEnviron([]string{"HUSH_PROVIDERS=" + strings.Join(texts, " ")})
		for place, err := range map[string]error{"hush.yaml:1:12: providers": fileErr, "HUSH_PROVIDERS": environErr} {
			if wrong {
				assert.EqualError(t, err, place+": must not have more than 64 entries")
			} else {
				assert.NoError(t, err)
			}
		}
	}
}

func names(count int, ref string) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "  n%d: {env: %s}\n", i, ref)
	}
	return b.String()
}

// TestKeysAndPathsCannotAddLines has line breaks in a key and in a path.
func TestKeysAndPathsCannotAddLines(t *testing.T) {
	_, err := config.Read([]byte("names: {\"a\\nhush.yaml:1:1: all is well\": {env: '#'}}"))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "\n")
	assert.Contains(t, err.Error(), `: "names.a\nhush.yaml:1:1: all is well": `)
	_, err = config.Load("no\nsuch")
	assert.EqualError(t, err, `"no\nsuch": the file does not exist`)
}

// TestUnreadableProvidersAreNotMissingProviders has files in which the list cannot be read.
func TestUnreadableProvidersAreNotMissingProviders(t *testing.T) {
	clearEnv(t)
	for _, text := range []string{"[", "providers: env", "hunter2"} {
		_, err := openFile(t, write(t, text), all.Schemes()...)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "no providers", text)
	}
	_, err := openFile(t, "/no/such/file", all.Schemes()...)
	require.EqualError(t, err, "/no/such/file: the file does not exist")
	_, err = openFile(t, write(t, "cache: {ttl: 1}"), all.Schemes()...)
	assert.ErrorContains(t, err, "no providers", "the mistake is elsewhere")
}

func TestADuplicateProviderIsReportedOnce(t *testing.T) {
	_, err := config.Read([]byte("providers: [env, env, env]"))
	assert.EqualError(t, err, "hush.yaml:1:18: provider 2: env is also provider 1; remove one of them\n"+
		"hush.yaml:1:23: provider 3: env is also provider 1; remove one of them")
}

func TestReportsAreInTheOrderOfTheFile(t *testing.T) {
	_, err := config.Read([]byte("{providers: ['env:?token=1', env, env], cache: {ttl: 5}}"))
	require.Error(t, err)
	var columns []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		columns = append(columns, strings.Split(line, ":")[2])
	}
	assert.Equal(t, []string{"14", "35", "54"}, columns)
}

func TestMaxWaitMayEqualWait(t *testing.T) {
	_, err := config.Read([]byte("breaker: {wait: 2s, max_wait: 2s}"))
	require.NoError(t, err)
	_, err = config.Read([]byte("breaker: {max_wait: 1s}"))
	assert.NoError(t, err, "the default of wait is 1s")
}

func TestErrorsCanBeUnwrapped(t *testing.T) {
	_, err := config.Load(write(t, "verify: 1\npolicy: x\n"))
	var joined interface{ Unwrap() []error }
	require.ErrorAs(t, err, &joined)
	assert.Len(t, joined.Unwrap(), 2)
	assert.NotErrorIs(t, err, syscall.ENOENT)
	assert.Error(t, errors.Unwrap(joined.Unwrap()[0]))
}
