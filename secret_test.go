package hush_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

func secretOf(text string) hush.Secret {
	return hush.Secret{Value: hush.NewValue([]byte(text)), Version: "v1", Source: "test"}
}

// rfc6901 is the example document of RFC 6901, section 5.
const rfc6901 = `{
   "foo": ["bar", "baz"],
   "": 0,
   "a/b": 1,
   "c%d": 2,
   "e^f": 3,
   "g|h": 4,
   "i\\j": 5,
   "k\"l": 6,
   " ": 7,
   "m~n": 8
}`

const document = ` {"user" : "app", "port": 5432 , "big": 12345678901234567890, "ratio": 1.50, "on": true, "none": null,
	"list": [ "a", {"b": [1, 2]}, [] ], "nested": {"deep": {"er": "x\ty"}, "0": "zero"}, "/odd": "slash", "01": "two",
	"twice": "first", "twice": "second", "é": "umlaut", "empty": "", "quote\"d": "q", "json": "{\"in\":1}"} `

func TestField(t *testing.T) {
	for doc, fields := range map[string]map[string]string{
		rfc6901: {
			"":     rfc6901,
			"/foo": `["bar", "baz"]`, "/foo/0": "bar", "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3",
			"/g|h": "4", `/i\j`: "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8",
			"foo": `["bar", "baz"]`, "a/b": "1", " ": "7", "m~n": "8",
		},
		document: {
			"user": "app", "port": "5432", "big": "12345678901234567890", "ratio": "1.50", "on": "true", "none": "null",
			"/list/0": "a", "/list/1/b/1": "2", "/list/2": "[]", "/list/1": `{"b": [1, 2]}`,
			"/nested/deep/er": "x\ty", "/nested/0": "zero", "/~1odd": "slash", "01": "two", "/01": "two",
			"twice": "second", "é": "umlaut", "empty": "", `quote"d`: "q", "json": `{"in":1}`,
		},
		`{"~1": "tilde", "/": "slash"}`: {"/~01": "tilde", "/~1": "slash", "~1": "tilde"},
		` [ "a" , ["b"] ]`:              {"/0": "a", "/1/0": "b", "1": `["b"]`},
	} {
		for name, want := range fields {
			got, err := secretOf(doc).Field(name)
			require.NoError(t, err, name)
			assert.Equal(t, want, got.Value.Reveal(), name)
			got.Value = secretOf(doc).Value
			assert.True(t, got.Equal(secretOf(doc)), "%s: only the Value differs", name)
		}
	}
}

func TestFieldMissing(t *testing.T) {
	for doc, fields := range map[string][]string{
		document: {
			"User", "nope", "user ", "nested/deep", "/user/x", "/port/0", "/none/x", "/json/in", "/nope/x", "/odd", "/",
			"/list/3", "/list/-1", "/list/-", "/list/00", "/list/01", "/list/+0", "/list/1e0", "/list/ 0", "/list/", "/list/x",
			"/list/9999999999999999999999", "/nested/deep/", "/nested//deep", "//nested",
		},
		"plain text":                {"user", "/0"},
		"":                          {"user", "/"},
		"null":                      {"user"},
		`"text"`:                    {"text", "/0"},
		"[1, 2":                     {"/0"},
		`{"a": 1`:                   {"a"},
		`{"a":1} x`:                 {"a"},
		`[]`:                        {"/0", "a"},
		`{"a":"P` + "\xe4" + `ss"}`: {"a"}, // encoding/json would replace the byte
	} {
		for _, name := range fields {
			got, err := secretOf(doc).Field(name)
			require.Error(t, err, "%q of %s", name, doc)
			assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err), name)
			assert.True(t, got.Equal(hush.Secret{}), "no Secret comes with an error")
		}
	}
}

func TestFieldErrorsQuoteNoSecret(t *testing.T) {
	for _, doc := range []string{
		canary, `"` + canary + `"`, `["` + canary + `"]`, `{"` + canary + `":1}`, `{"a":"` + canary + `"`, `{"a":` + canary + `}`,
		`{"a":"` + canary + "\xff" + `"}`, `{"b":"` + canary + `"}`,
	} {
		for _, name := range []string{"a", "/a", "/a/b", "/0/a", "/1"} {
			_, err := secretOf(doc).Field(name)
			require.Error(t, err)
			assert.Empty(t, providertest.Leaks(err, canary), "%q of %s", name, doc)
		}
	}
	for _, doc := range []string{"x", "null", `"x"`, ""} {
		_, err := secretOf(doc).Field("password")
		assert.EqualError(t, err, `test: "#password": not found: no field "password": not a JSON object`)
	}
}

func TestSelect(t *testing.T) {
	secret := secretOf(`{"user":"app"}`)
	got, err := hush.Name("db").Select(secret)
	require.NoError(t, err)
	assert.True(t, got.Equal(secret))

	got, err = hush.Ref{Name: "db", Field: "user"}.Select(secret)
	require.NoError(t, err)
	assert.Equal(t, "app", got.Value.Reveal())

	ref := hush.Ref{Name: "db", Stage: "AWSPREVIOUS", Field: "password"}
	got, err = ref.Fresh().Select(secret)
	assert.EqualError(t, err, `test: "db?stage=AWSPREVIOUS#password": not found: no field "password"`)
	assert.True(t, got.Equal(hush.Secret{}))
}

func TestSelectWithoutAFieldAllocatesNothing(t *testing.T) {
	secret := hush.Secret{Value: hush.NewValue([]byte("x"))}
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = hush.Name("db").Select(secret) }))
}

func TestSecretEqual(t *testing.T) {
	full := func() hush.Secret {
		return hush.Secret{
			Value: hush.NewValue([]byte("x")), Version: "v", Stages: []string{"a", "b"}, Created: time.Unix(1, 0), Expires: time.Unix(2, 0),
			Source: "s", Stale: true, FromFallback: true, Metadata: map[string]string{"owner": "team"},
		}
	}
	same := full()
	same.Created, same.Expires = same.Created.UTC(), same.Expires.UTC()
	assert.True(t, full().Equal(same), "an instant is the same in any zone")
	assert.True(t, hush.Secret{}.Equal(hush.Secret{Stages: []string{}, Metadata: map[string]string{}}))

	for what, change := range map[string]func(*hush.Secret){
		"Value":    func(s *hush.Secret) { s.Value = hush.NewValue([]byte("y")) },
		"Version":  func(s *hush.Secret) { s.Version = "w" },
		"Stages":   func(s *hush.Secret) { s.Stages = []string{"b", "a"} },
		"Created":  func(s *hush.Secret) { s.Created = time.Time{} },
		"Expires":  func(s *hush.Secret) { s.Expires = time.Unix(3, 0) },
		"Source":   func(s *hush.Secret) { s.Source = "" },
		"Stale":    func(s *hush.Secret) { s.Stale = false },
		"Fallback": func(s *hush.Secret) { s.FromFallback = false },
		"Metadata": func(s *hush.Secret) { s.Metadata = map[string]string{"owner": "other"} },
	} {
		other := full()
		change(&other)
		assert.False(t, full().Equal(other), what)
		assert.False(t, other.Equal(full()), what)
	}
}

func FuzzField(f *testing.F) {
	f.Add("", "user", "")
	f.Add(`{"a":"`, "/a/0", `"}`)
	f.Add(`{"a":["`, "/a/-", `"]}`)
	f.Add(`{"`, "/~1", `":{}}`)
	f.Fuzz(func(t *testing.T, before, name, after string) {
		if strings.Contains(name, canary) {
			return
		}
		secret := secretOf(before + canary + after)
		got, err := secret.Field(name)
		if err != nil {
			assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
			assert.Empty(t, providertest.Leaks(err, canary))
			assert.True(t, got.Equal(hush.Secret{}))
			return
		}
		assert.LessOrEqual(t, got.Value.Len(), secret.Value.Len(), "a part of it")
	})
}

func TestFieldRefusesLoneSurrogates(t *testing.T) {
	s := hush.Secret{Value: hush.NewValue([]byte(`{"half":"a\ud800b","masked":"\ufffd\ud800","typed and half":"�\udfff","whole":"\ud83d\ude00","itself":"\ufffd","typed":"�"}`))}
	for _, name := range []string{"half", "masked", "typed and half"} {
		_, err := s.Field(name)
		require.ErrorIs(t, err, hush.ErrNotFound, "%s: its bytes would not be those of the store", name)
	}
	for name, want := range map[string]string{"whole": "😀", "itself": "\ufffd", "typed": "\ufffd"} {
		part, err := s.Field(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, part.Value.Reveal(), name)
	}
}

func TestSecretValidate(t *testing.T) {
	for name, c := range map[string]struct {
		secret hush.Secret
		want   string
	}{
		"zero":                {hush.Secret{}, ""},
		"all that a Ref can":  {hush.Secret{Version: strings.Repeat("v", 2048), Stages: []string{"AWSCURRENT", "blau-grün"}}, ""},
		"a long version":      {hush.Secret{Version: strings.Repeat("v", 2049), Source: "direct"}, "direct: unavailable: the version in the response has 2049 bytes and exceeds the limit of 2048"},
		"a long stage":        {hush.Secret{Stages: []string{"a", strings.Repeat("v", 2049), "b"}}, "unavailable: the stage in the response has 2049 bytes and exceeds the limit of 2048"},
		"a version of binary": {hush.Secret{Version: "\xff"}, "unavailable: the version in the response is not valid UTF-8"},
		"a stage of two rows": {hush.Secret{Version: "v", Stages: []string{"a\nb"}}, "unavailable: the stage in the response contains a control character"},
	} {
		err := c.secret.Validate()
		if c.want == "" {
			assert.NoError(t, err, name)
			continue
		}
		assert.EqualError(t, err, c.want, name)
		assert.ErrorIs(t, err, hush.ErrUnavailable)
	}
}
