package params_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/params"
)

func parse(t *testing.T, text string) (map[string]string, error) {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return params.Parse(u, "prefix", "timeout", "files")
}

func TestParse(t *testing.T) {
	for _, text := range []string{"env:", "env:?"} {
		values, err := parse(t, text)
		require.NoError(t, err, text)
		assert.Empty(t, values, text)
	}
	values, err := parse(t, "env:?prefix=APP_&timeout=1s")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"prefix": "APP_", "timeout": "1s"}, values)
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"env://user:hunter2@host/":     "user info",
		"env:?prefx=A":                 `unknown parameter "prefx"; env takes prefix, timeout, files`,
		"env:?token=hunter2":           "holds no credential",
		"env:?Password=hunter2":        "holds no credential",
		"env:?prefix=hunter2&prefix=b": "given 2 times",
		"env:?prefix=":                 "is empty",
		"env:?prefix=%zzhunter2":       "not a URL's query",
		"env:hunter2":                  "takes parameters alone",
		"env://hunter2?prefix=A":       "takes parameters alone",
		"env:?prefix=A#hunter2":        "takes parameters alone",
	} {
		if u, err := url.Parse(text); err == nil {
			_, err = params.Parse(u, "prefix", "timeout", "files")
			require.Error(t, err, text)
			assert.Contains(t, err.Error(), want, text)
			assert.NotContains(t, err.Error(), "hunter2", text)
		}
	}
}

func TestParseHost(t *testing.T) {
	u, err := url.Parse("vault://a:1,b:2/kv/team?kv=2")
	require.NoError(t, err)
	values, err := params.ParseHost(u, "kv")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"kv": "2"}, values)
	_, err = params.Parse(u, "kv")
	assert.ErrorContains(t, err, "takes parameters alone")
}

func TestParseHostRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"vault://user:hunter2@host/":    "user info",
		"vault://hunter2@host/":         "user info",
		"vault:hunter2":                 "vault://host:port/path",
		"vault://host/kv#hunter2":       "vault://host:port/path",
		"vault://host/kv?token=hunter2": "holds no credential",
		"vault://host/kv?JWT=hunter2":   "holds no credential",
		"vault://host/kv?x=hunter2":     `unknown parameter "x"; vault takes kv`,
	} {
		u, err := url.Parse(text)
		require.NoError(t, err, text)
		_, err = params.ParseHost(u, "kv")
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
		assert.NotContains(t, err.Error(), "hunter2", text)
	}
}

func TestParseTellsAllAtOnce(t *testing.T) {
	_, err := parse(t, "env:?prefx=hunter2&token=hunter2&files=&nothing=1")
	assert.EqualError(t, err, `parameter "files" is empty; unknown parameter "nothing"; env takes prefix, timeout, files; `+
		`unknown parameter "prefx"; env takes prefix, timeout, files: did you mean "prefix"?; `+
		`parameter "token": a URL names a store and holds no credential`)
}

func TestDurationAndBool(t *testing.T) {
	d, err := params.Duration(map[string]string{"timeout": "1500ms"}, "timeout")
	require.NoError(t, err)
	assert.Equal(t, 1500*time.Millisecond, d)
	for _, bad := range []string{"3", "-1s", "0s", "soon"} {
		_, err := params.Duration(map[string]string{"timeout": bad}, "timeout")
		assert.ErrorContains(t, err, "timeout", bad)
	}
	on, err := params.Bool(map[string]string{"files": "true"}, "files")
	require.NoError(t, err)
	assert.True(t, on)
	_, err = params.Bool(map[string]string{"files": "yes"}, "files")
	assert.Error(t, err)
}
