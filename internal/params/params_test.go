package params_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/params"
)

func parse(t *testing.T, text string) *params.Values {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return params.Parse(u, "prefix", "timeout", "files")
}

func TestParse(t *testing.T) {
	for _, text := range []string{"env:", "env:?"} {
		v := parse(t, text)
		require.NoError(t, v.Err(), text)
		assert.Empty(t, v.All(), text)
	}
	v := parse(t, "env:?prefix=APP_&timeout=1s")
	require.NoError(t, v.Err())
	assert.Equal(t, map[string]string{"prefix": "APP_", "timeout": "1s"}, v.All())
	assert.Equal(t, "APP_", v.Text("prefix"))
	assert.True(t, v.Has("prefix"))
	assert.False(t, v.Has("files"))
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"env://user:hunter2@host/":     "user info",
		"env:user:hunter2@host":        "user info",
		"env:user:hunter2%40host":      "user info",
		"env:?prefx=A":                 `unknown parameter "prefx": did you mean "prefix"?; env takes prefix, timeout, files`,
		"env:?token=hunter2":           "must not contain credentials",
		"env:?Password=hunter2":        "must not contain credentials",
		"env:?prefix=hunter2&prefix=b": "set 2 times",
		"env:?prefix=":                 "is empty",
		"env:?prefix=%zzhunter2":       "query of the URL is malformed",
		"env:hunter2":                  "must have only parameters",
		"env://hunter2?prefix=A":       "must have only parameters",
		"env:?prefix=A#hunter2":        "must have only parameters",
	} {
		if u, err := url.Parse(text); err == nil {
			err = params.Parse(u, "prefix", "timeout", "files").Err()
			require.Error(t, err, text)
			assert.Contains(t, err.Error(), want, text)
			assert.NotContains(t, err.Error(), "hunter2", text)
		}
	}
}

func TestParseHost(t *testing.T) {
	u, err := url.Parse("vault://a:1,b:2/kv/team@x?kv=2")
	require.NoError(t, err)
	v := params.ParseHost(u, "kv")
	require.NoError(t, v.Err())
	assert.Equal(t, map[string]string{"kv": "2"}, v.All())
	assert.ErrorContains(t, params.Parse(u, "kv").Err(), "must have only parameters")
}

func TestParseHostRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"vault://user:hunter2@host/":        "user info",
		"vault://hunter2@host/":             "user info",
		"vault:user:hunter2@host":           "user info",
		"vault:/user:hunter2@host/apps":     "user info",
		"vault:///user:hunter2@host/apps":   "user info",
		"vault:/hunter2/apps":               "vault://host:port/path",
		"vault:hunter2":                     "vault://host:port/path",
		"vault://host/kv#hunter2":           "vault://host:port/path",
		"vault://host/kv?token=hunter2":     "must not contain credentials",
		"vault://host/kv?JWT=hunter2":       "must not contain credentials",
		"vault://host/kv?x=hunter2":         `unknown parameter "x"; vault takes kv`,
		"vault://host/?kv=db://u:hunter2@h": `parameter "kv": user info in its URL`,
	} {
		u, err := url.Parse(text)
		require.NoError(t, err, text)
		err = params.ParseHost(u, "kv").Err()
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
		assert.NotContains(t, err.Error(), "hunter2", text)
	}
}

// TestCredentials has every ending in several spellings.
func TestCredentials(t *testing.T) {
	for _, key := range params.Credentials() {
		for _, spelt := range []string{key, "my_" + key, "X-" + key, key[:1] + "_" + key[1:], key[:2] + "-" + key[2:], key + "s"} {
			u := &url.URL{Scheme: "x", RawQuery: url.Values{spelt: {"hunter2"}}.Encode()}
			assert.ErrorContains(t, params.Check(u).Err(), "must not contain credentials", spelt)
			err := params.Parse(u, spelt).Err()
			assert.ErrorContains(t, err, "must not contain credentials", "known or not: %s", spelt)
			assert.NotContains(t, err.Error(), "hunter2")
		}
		for _, names := range []string{key + "_file", key + "_env"} {
			u := &url.URL{Scheme: "x", RawQuery: names + "=a"}
			assert.NoError(t, params.Parse(u, names).Err(), names)
		}
	}
	for _, key := range []string{"Secret_Access-Key", "vault_token", "CLIENT_SECRET", "password=hunter2", "token=hunter2&"} {
		u := &url.URL{Scheme: "x", RawQuery: url.QueryEscape(key) + "=hunter2"}
		err := params.Check(u).Err()
		assert.ErrorContains(t, err, "must not contain credentials", key)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

// TestUnknownParametersAreQuotedWithCare has unknown parameters that may be misplaced values.
func TestUnknownParametersAreQuotedWithCare(t *testing.T) {
	for query, want := range map[string]string{
		"hvs.CAESIJ4q8yXk2mVbT1oWmDhunter2": "unknown parameter of 33 bytes",
		"correct+horse+hunter2":             "unknown parameter of 21 bytes",
		"note%3Dhunter2":                    `unknown parameter "note"`,
	} {
		err := params.Parse(&url.URL{Scheme: "x", RawQuery: query}).Err()
		assert.EqualError(t, err, want+"; x takes no parameters")
	}
}

func TestParseReportsAllFaults(t *testing.T) {
	v := parse(t, "env:?prefx=hunter2&token=hunter2&files=&nothing=1&timeout=3")
	assert.Zero(t, v.Duration("timeout"))
	assert.False(t, v.Bool("files"))
	assert.EqualError(t, v.Err(), `parameter "token": the URL of a store must not contain credentials; `+
		`parameter "files" is empty; unknown parameter "nothing"; unknown parameter "prefx": did you mean "prefix"?; `+
		`env takes prefix, timeout, files; parameter "timeout" must be a positive duration with a unit, such as 500ms or 3s`)
	assert.Len(t, v.Faults, 6)
}

func TestFaults(t *testing.T) {
	var f params.Faults
	require.NoError(t, f.Err())
	f.Add(nil)
	f.Add(assert.AnError)
	assert.Equal(t, assert.AnError, f.Err(), "a single fault is not wrapped")
	f.Add(assert.AnError)
	assert.ErrorIs(t, f.Err(), assert.AnError)
}

func TestDurationAndBool(t *testing.T) {
	v := params.Of(map[string]string{"timeout": "1500ms", "on": "true", "off": "false"})
	assert.Equal(t, 1500*time.Millisecond, v.Duration("timeout"))
	assert.Zero(t, v.Duration("other"))
	assert.True(t, v.Bool("on"))
	assert.False(t, v.Bool("off"))
	assert.False(t, v.Bool("other"))
	require.NoError(t, v.Err())
	for _, bad := range []string{"3", "-1s", "0s", "soon"} {
		v := params.Of(map[string]string{"timeout": bad})
		assert.Zero(t, v.Duration("timeout"))
		assert.ErrorContains(t, v.Err(), "timeout", bad)
	}
	for _, bad := range []string{"yes", "no", "0", "1", "True", "FALSE", "off"} {
		v := params.Of(map[string]string{"files": bad})
		assert.False(t, v.Bool("files"))
		assert.ErrorContains(t, v.Err(), `parameter "files" must be true or false`, bad)
	}
}
