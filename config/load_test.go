package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
)

// everything is a Config in which every field is set, as a file and as variables.
const (
	everythingYAML = `
providers:
  - extension
  - {url: "direct:?region=eu-west-1", name: ireland, timeout: 1500ms, policy: outages, prefix: prod/}
  - direct:?region=us-east-1&link_name=virginia&link_timeout=90s
  - env:?prefix=APP_
names:
  db: {ireland: "orders/db#password", env: ORDERS_DB}
  "a b": {env: X}
cache:
  ttl: 5m
  stale_if_error: 1h30m
  stale_wait: 0s
  stale_while_revalidate: 1m30s
  refresh_ahead: 10s
  negative_ttl: 0
  jitter: 0.25
  max_entries: 50
  max_fetches: 9
  fetch_timeout: 2s
  min_refresh: 250ms
breaker: {failures: 0, wait: 2s, max_wait: 24h}
policy: any
log: {level: off}
verify: true
`
	everythingJSON = `{
	"providers": ["extension", {"url": "direct:?region=eu-west-1", "name": "ireland", "timeout": "1.5s", "policy": "outages", "prefix": "prod/"},
		"direct:?region=us-east-1&link_name=virginia&link_timeout=90s", "env:?prefix=APP_"],
	"names": {"db": {"ireland": "orders\/db#password", "env": "ORDERS_DB"}, "a b": {"env": "\u0058"}},
	"cache": {"ttl": "300s", "stale_if_error": "90m", "stale_wait": "0", "stale_while_revalidate": "90s", "refresh_ahead": "10s", "negative_ttl": "0s",
		"jitter": 2.5e-1, "max_entries": 50, "max_fetches": 9, "fetch_timeout": "2s", "min_refresh": "250ms"},
	"breaker": {"failures": 0, "wait": "2s", "max_wait": "24h"},
	"policy": "any", "log": {"level": "off"}, "verify": true
}`
)

var everythingEnv = map[string]string{
	"HUSH_PROVIDERS": "extension \t direct:?link_name=ireland&region=eu-west-1&link_timeout=1500ms&link_policy=outages&link_prefix=prod%2F\n" +
		"direct:?region=us-east-1&link_name=virginia&link_timeout=90s env:?prefix=APP_",
	"HUSH_NAMES":     `{db: {ireland: "orders/db#password", env: ORDERS_DB}, a b: {env: X}}`,
	"HUSH_CACHE_TTL": "5m", "HUSH_CACHE_STALE_IF_ERROR": "90m", "HUSH_CACHE_STALE_WAIT": "0", "HUSH_CACHE_STALE_WHILE_REVALIDATE": "90s",
	"HUSH_CACHE_REFRESH_AHEAD": "10s", "HUSH_CACHE_NEGATIVE_TTL": "0s", "HUSH_CACHE_JITTER": ".25", "HUSH_CACHE_MAX_ENTRIES": "50", "HUSH_CACHE_MAX_FETCHES": "9",
	"HUSH_CACHE_FETCH_TIMEOUT": "2s", "HUSH_CACHE_MIN_REFRESH": "250ms",
	"HUSH_BREAKER_FAILURES": "0", "HUSH_BREAKER_WAIT": "2s", "HUSH_BREAKER_MAX_WAIT": "24h",
	"HUSH_POLICY": "any", "HUSH_LOG_LEVEL": "off", "HUSH_VERIFY": "true",
}

func everything() *config.Config {
	return &config.Config{
		Providers: []config.Store{
			{URL: "extension"},
			{URL: "direct:?region=eu-west-1", Name: "ireland", Timeout: 1500 * time.Millisecond, Policy: config.PolicyOutages, Prefix: "prod/"},
			{URL: "direct:?region=us-east-1", Name: "virginia", Timeout: 90 * time.Second},
			{URL: "env:?prefix=APP_"},
		},
		Names:    map[string]map[string]string{"db": {"ireland": "orders/db#password", "env": "ORDERS_DB"}, "a b": {"env": "X"}},
		CacheTTL: 5 * time.Minute,
		Cache: cachettl.Options{
			StaleIfError: 90 * time.Minute, StaleWait: -1, StaleWhileRevalidate: 90 * time.Second, RefreshAhead: 10 * time.Second, NegativeTTL: -1,
			Jitter: 0.25, MaxEntries: 50, MaxFetches: 9, FetchTimeout: 2 * time.Second, MinRefresh: 250 * time.Millisecond,
		},
		Breaker: chain.Breaker{Failures: -1, Wait: 2 * time.Second, MaxWait: 24 * time.Hour},
		Policy:  config.PolicyAny, LogLevel: "off", Verify: true,
	}
}

// write returns the path of a new file hush.yaml.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hush.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFilesAndVariablesAreEquivalent(t *testing.T) {
	for form, text := range map[string]string{"YAML": everythingYAML, "JSON": everythingJSON, "a BOM": "\ufeff" + everythingYAML} {
		got, err := config.Load(write(t, text))
		require.NoError(t, err, form)
		assertConfig(t, everything(), got, form)
	}
	clearEnv(t)
	for name, value := range everythingEnv {
		t.Setenv(name, value)
	}
	got, err := config.FromEnv()
	require.NoError(t, err)
	assertConfig(t, everything(), got, "variables")
}

func TestAnEmptyFileIsTheZeroConfig(t *testing.T) {
	for _, text := range []string{"", "\n# nothing\n", "---\n", "{}", "{}\n", "providers: []\nnames: {}\n", "verify: false"} {
		got, err := config.Load(write(t, text))
		require.NoError(t, err, text)
		assertConfig(t, &config.Config{}, got, text)
	}
}

// TestLoadReportsMistakes has one mistake in each file. The error has its place.
func TestLoadReportsMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"cach: {}":                                    `:1:1: unknown key "cach": did you mean "cache"? known: providers, names, cache, breaker, policy, log, verify`,
		"cache: {ttl: 5m, tll: 5m}":                   `:1:18: cache: unknown key "tll": did you mean "ttl"? known: ttl, stale_if_error, stale_wait, stale_while_revalidate, refresh_ahead, negative_ttl, jitter, max_entries, max_fetches, fetch_timeout, min_refresh`,
		"cache:\n  staleIfError: 5m":                  `:2:3: cache: unknown key "staleIfError"`,
		"log: {hunter2: 1}":                           `:1:7: log: unknown key "hunter2"; known: level`,
		"cache:\n  ttl: 300":                          ":2:8: cache.ttl: has no unit; write 300s for seconds",
		"cache:\n  ttl: -5m":                          ":2:8: cache.ttl: must not be negative; write 0 to turn it off",
		"cache: {ttl: soon}":                          ":1:14: cache.ttl: must be a duration; write for example 500ms, 30s, 5m or 1h",
		"cache: {ttl: }":                              ":1:14: cache.ttl: has no value; remove it to use its default",
		"cache: {ttl: ~}":                             ":1:14: cache.ttl: has no value",
		"cache: {ttl: [5m]}":                          ":1:14: cache.ttl: must be a single value, not a list",
		"cache: {jitter: 2}":                          ":1:17: cache.jitter: must be a number from 0 to 1",
		"cache: {jitter: .nan}":                       ":1:17: cache.jitter: must be a number from 0 to 1",
		"cache: {jitter: NaN}":                        ":1:17: cache.jitter: must be a number from 0 to 1",
		"cache: {max_entries: 0}":                     ":1:22: cache.max_entries: must be more than 0; remove it to use its default",
		"cache: {max_entries: 1e3}":                   ":1:22: cache.max_entries: must be a whole number",
		"cache: {max_entries: 99999999999}":           ":1:22: cache.max_entries: must be a whole number up to 2147483647",
		"cache: {fetch_timeout: 0}":                   ":1:24: cache.fetch_timeout: must be more than 0; remove it to use its default",
		"breaker: {failures: -1}":                     ":1:21: breaker.failures: must not be negative; write 0 to turn it off",
		"breaker: {wait: 0s}":                         ":1:17: breaker.wait: must be more than 0; remove it to use its default",
		"breaker: {max_wait: 500ms}":                  ":1:21: breaker.max_wait: must not be less than breaker.wait, which is 1s",
		"breaker: {wait: 1m, max_wait: 30s}":          ":1:31: breaker.max_wait: must not be less than breaker.wait, which is 1m0s",
		"policy: outage":                              `:1:9: policy: must be any or outages: did you mean "outages"?`,
		"policy: ''":                                  ":1:9: policy: has no value; remove it to use its default",
		"log: {level: loud}":                          ":1:14: log.level: must be off, debug, info, warn or error",
		"log: off":                                    ":1:6: log: must be a mapping of keys to values, not a single value; known keys: level",
		"verify: yes":                                 ":1:9: verify: must be true or false",
		"cache:":                                      ":1:7: cache: must be a mapping of keys to values, not empty",
		"[]":                                          ":1:1: must be a mapping of keys to values, not a list",
		"hunter2":                                     ":1:1: must be a mapping of keys to values, not a single value",
		"providers: extension":                        ":1:12: providers: must be a list, not a single value; write each provider on a line of its own after a dash",
		"providers:\n- []":                            ":2:3: provider 1: must be a single value, not a list",
		"providers:\n- ''":                            ":2:3: provider 1: the URL is empty",
		"providers:\n- url:":                          ":2:7: provider 1: has no value; remove it to use its default",
		"providers:\n- {a b: }":                       ":2:3: provider 1: invalid URL; write UTF-8 without spaces",
		"providers:\n- env: {}":                       ":2:3: provider 1: parameters are a part of the URL; write for example direct:?region=eu-west-1",
		"providers:\n- direct: {region: hunter2}":     ":2:3: provider 1: parameters are a part of the URL; write for example",
		"providers:\n- {name: a}":                     ":2:3: provider 1: the URL is empty",
		"providers:\n- {url: env, timeut: 1s}":        `:2:14: provider 1: unknown key "timeut": did you mean "timeout"? known: url, name, timeout, policy, prefix`,
		"providers:\n- {url: env, timeout: 1}":        ":2:23: provider 1: timeout: has no unit",
		"providers:\n- {url: env, timeout: 0}":        ":2:23: provider 1: timeout: must be more than 0; remove it to use the limit of the provider",
		"providers:\n- {url: env, name: ''}":          ":2:20: provider 1: name: is empty",
		"providers:\n- {url: env, policy: all}":       ":2:3: provider 1: the policy must be any or outages",
		"providers:\n- env\n- env":                    ":3:3: provider 2: env is also provider 1; remove one of them",
		"providers:\n- env\n- 'ENV:?'":                ":3:3: provider 2: env is also provider 1; remove one of them",
		"providers:\n- a:?x=1&y=2\n- a:?y=2&x=1":      ":3:3: provider 2: a is also provider 1; remove one of them",
		"providers:\n- env\n- env:?link_name=e":       ":3:3: provider 2: e is also provider 1, called env; remove one of them",
		"providers:\n- env\n- env:?prefix=A_":         ":3:3: provider 2: provider 1 is also called env; add link_name=other to the URL of one of them",
		"names: {db: prod/db}":                        ":1:13: names.db: must be a mapping of keys to values, not a single value; write for example names: {db: {direct: prod/db}}",
		"names: {db: {}}":                             ":1:13: names.db: must have the name in one provider at least",
		"names: {db: {direct: }}":                     ":1:22: names.db.direct: has no value",
		"names: {db: {direct: ''}}":                   ":1:22: names.db.direct: invalid reference",
		"names: {db: {direct: 'a#'}}":                 ":1:22: names.db.direct: invalid reference: write name or name#field, with %3F for ? and %23 for # in a name",
		"names: {db: {direct: 'pass?word=x'}}":        ":1:22: names.db.direct: invalid reference: write name or name#field, with %3F for ? and %23 for # in a name",
		"names: {db: {direct: 'a?stage=AWSPENDING'}}": ":1:22: names.db.direct: must not have a version or a stage; the program requests these",
		"names: {db: {a b: x}}":                       ":1:13: names.db: invalid name of 3 bytes of a provider",
		"names: {'': {env: x}}":                       ":1:13: names.: invalid reference: the name is empty",
		"names: [db]":                                 ":1:8: names: must be a mapping of keys to values, not a list",
		"policy: any\npolicy: any":                    `:2:1: duplicate key "policy"; it is also in line 1`,
		"cache: {ttl: 5m, ttl: 5m}":                   `:1:18: cache: duplicate key "ttl"; it is also in line 1`,
		`{"verify": true, "verify": true}`:            `:1:18: duplicate key "verify"`,
		"names: {db: {env: A}, db: {env: B}}":         `:1:23: names: duplicate key "db"`,
		"cache: &hunter2 {ttl: 5m}":                   ":1:8: anchors and aliases are not allowed; write the value itself",
		"cache: *hunter2":                             ":1: anchors and aliases are not allowed; write the value itself",
		"policy: !!str any":                           ":1:9: tags are not allowed; write the value itself",
		"? {a: b}\n: c":                               ":1:3: a key must be a single value, not a mapping",
		"policy: any\n---\npolicy: any":               ":2:1: a file has one document; remove the second",
		"policy: any\n---\n[":                         ":3: did not find expected node content",
		"cache: {ttl: 5m":                             ":1: did not find expected ',' or '}'",
		"providers: @env":                             ":1: found character that cannot start any token; write the value in quotes",
		"log: {level:info}":                           ":1:7: log: unknown key of 10 bytes; known: level; write a space after the colon",
		"policy: any\n\tverify: true":                 ":2: found",
		"cache: \x00":                                 ":1: control characters are not allowed",
		"policy: any\nlog: \xff":                      ":2: the file must be UTF-8",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := config.Load(write(t, text))
			require.Error(t, err, text)
			said := err.Error()
			if i := strings.Index(said, "hush.yaml"); i >= 0 {
				said = said[i+len("hush.yaml"):]
			}
			assert.True(t, strings.HasPrefix(said, want), "got\n%s\nwant\n%s", said, want)
			assert.NotContains(t, said, "\n", "the file has one mistake")
		})
	}
}

// YAML reads the line "- env:" as a mapping.
func TestLoadReadsASchemeWithoutParameters(t *testing.T) {
	for _, item := range []string{"env", "env:", "'env:'", "env:?", "{url: env}", "{url: 'env:'}", "{env: }"} {
		t.Run(item, func(t *testing.T) {
			c, err := config.Load(write(t, "providers:\n  - "+item+"\n"))
			require.NoError(t, err, item)
			assertConfig(t, &config.Config{Providers: []config.Store{{URL: "env"}}}, c, item)
		})
	}
}

// A store may have two names if its prefixes or its names differ.
func TestAStoreMayHaveTwoNames(t *testing.T) {
	for _, text := range []string{
		"providers: [env, 'env:?link_name=shared&link_prefix=shared/']",
		"providers: [env, 'env:?link_name=old']\nnames: {db: {old: OLD_DB}}",
		"providers: ['env:?link_name=old', env]\nnames: {db: {old: OLD_DB}}",
		"providers: [env, 'env:?link_name=old&prefix=OLD_']",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := config.Load(write(t, text))
			assert.NoError(t, err, text)
		})
	}
}

func TestLoadReportsAllMistakesTogether(t *testing.T) {
	path := write(t, "verify: perhaps\nproviders:\n  - env\n  - 'env:?token=hunter2'\n  - {url: direct, timeout: 3}\ncach: {}\ncache:\n  ttl: 300\n  jitter: 7\nnames: {db: {env: '#'}}\n")
	_, err := config.Load(path)
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 7)
	for i, want := range []string{
		":1:9: verify", ":4:5: provider 2", ":5:28: provider 3", ":6:1: unknown key", ":8:8: cache.ttl", ":9:11: cache.jitter", ":10:19: names.db.env",
	} {
		assert.Contains(t, lines[i], "hush.yaml"+want)
	}
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestLoadDoesNotExpandAnchors(t *testing.T) {
	text := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'z'; c++ {
		text += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ",") + "]\n"
	}
	_, err := config.Load(write(t, text))
	assert.ErrorContains(t, err, "hush.yaml:1:4: anchors and aliases are not allowed")

	_, err = config.Read([]byte("cache: &a {ttl: 5}\nnames: *a\n"))
	const mistake = ": anchors and aliases are not allowed; write the value itself"
	assert.EqualError(t, err, "hush.yaml:1:8"+mistake+"\nhush.yaml:2:8"+mistake)
}

func TestLoadReportsUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(large, []byte(strings.Repeat("#", 1<<20)+"\n"), 0o600))
	for path, want := range map[string]string{
		"":                           "config: the path of the file is empty",
		filepath.Join(dir, "nosuch"): "nosuch: the file does not exist",
		dir:                          "the file is a directory, a pipe or a device",
		os.DevNull:                   "the file is a directory, a pipe or a device",
		large:                        "large: the file exceeds the limit of 1048576 bytes",
	} {
		_, err := config.Load(path)
		assert.ErrorContains(t, err, want)
	}
	exact := filepath.Join(dir, "exact")
	require.NoError(t, os.WriteFile(exact, []byte(strings.Repeat("#", 1<<20)), 0o600))
	_, err := config.Load(exact)
	require.NoError(t, err)
	linked := filepath.Join(dir, "linked")
	require.NoError(t, os.Symlink("exact", linked))
	_, err = config.Load(linked)
	assert.NoError(t, err, "Kubernetes mounts files as symbolic links")
}
