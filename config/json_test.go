package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/config"
)

func TestLoadReadsEscapesOfJSON(t *testing.T) {
	c, err := config.Load(write(t, `{"names": {"\ud83d\ude00\/": {"env": "A\u2028"}}, "cache": {"jitter": 1E-1}}`))
	require.NoError(t, err)
	assertConfig(t, &config.Config{
		Names: map[string]map[string]string{"\U0001F600/": {"env": "A\u2028"}}, Cache: cachettl.Options{Jitter: 0.1},
	}, c, "escapes of JSON")
	for text, want := range map[string]string{
		"{\n\t\"é\": {}}":                         ":2:2: unknown key of 2 bytes",
		"{\"names\": {\"é\":\n {\"env\": null}}}": ":2:10: names.é.env: has no value",
		`{"names": {"é": {"env": []}}}`:           ":1:25: names.é.env: must be a single value, not a list",
		`{"cache" : {"ttl" : 300}}`:               ":1:21: cache.ttl: has no unit",
		`{"cache": {"ttl": true}}`:                ":1:19: cache.ttl: must be a duration",
		`{"policy": "any", "policy": "any"}`:      `:1:19: duplicate key "policy"`,
	} {
		_, err := config.Load(write(t, text))
		assert.ErrorContains(t, err, "hush.yaml"+want)
	}
}

func TestReadJSONWithAByteOrderMark(t *testing.T) {
	c, err := config.Read([]byte("\ufeff" + `{"names": {"\ud83d\ude00": {"env": "A"}}}`))
	require.NoError(t, err, "an escape that YAML does not have")
	assert.Contains(t, c.Names, "\U0001F600")
}
