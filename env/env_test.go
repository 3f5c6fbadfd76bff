package env_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/providertest"
)

// unset unsets variable until the test ends.
func unset(t *testing.T, variable string) {
	t.Helper()
	t.Setenv(variable, "")
	require.NoError(t, os.Unsetenv(variable))
}

// file writes a file and sets variable to its path.
func file(t *testing.T, variable string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	t.Setenv(variable, path)
	return path
}

// A store sets the variables of the conformance suite. It has its own implementation of
// the default mapping with the prefix HUSHTEST_.
type store struct {
	*testing.T
	files bool // store all values in files, and not only those that a variable cannot have
}

func (s store) put(name string, value []byte) {
	variable := "HUSHTEST_" + strings.Map(func(r rune) rune {
		if strings.ContainsRune("/-.+@=! ", r) {
			return '_'
		}
		return r
	}, strings.ToUpper(name))
	if s.files || !utf8.Valid(value) || bytes.ContainsRune(value, 0) {
		unset(s.T, variable)
		file(s.T, variable+"_FILE", value)
		return
	}
	unset(s.T, variable+"_FILE")
	s.Setenv(variable, string(value))
}

func TestConformance(t *testing.T) {
	for name, files := range map[string]bool{"variables": false, "files": true} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				s := store{t, files}
				return providertest.Harness{
					FoldsNames: true,
					Provider:   env.New(&env.Options{Prefix: "HUSHTEST_", Files: true}),
					Put:        s.put, Rotate: s.put,
				}
			})
		})
	}
}

func TestMapping(t *testing.T) {
	vowels := func(name string) string { return strings.Trim(name, "bcdfghjklmnpqrstvwxyz") }
	for _, c := range []struct {
		opts           *env.Options
		name, variable string
	}{
		{nil, "hushtest/prod-main", "HUSHTEST_PROD_MAIN"},
		{nil, "HushTest.prod.MAIN", "HUSHTEST_PROD_MAIN"},
		{nil, "hushtest%2Fx", "HUSHTEST_2FX"},
		{nil, "hushtest é", "HUSHTEST___"},
		{nil, "1hushtest", "1HUSHTEST"},
		{nil, "hushtest azAZ09", "HUSHTEST_AZAZ09"},
		{nil, "hushtest`{@[/:", "HUSHTEST______"},
		{nil, "hushtest=x", "HUSHTEST_X"},
		{nil, "rds!hushtest-1", "RDS_HUSHTEST_1"},
		{nil, "../hushtest", "___HUSHTEST"},
		{&env.Options{Prefix: "hushTest."}, "db/prod", "hushTest.DB_PROD"},
		{&env.Options{Map: strings.ToTitle}, "hushtest.db", "HUSHTEST.DB"},
		{&env.Options{Map: vowels, Prefix: "HUSHTEST_"}, "beads", "HUSHTEST_ea"},
		{&env.Options{Aliases: map[string]string{"db/prod": "HUSHTEST_Main"}, Prefix: "X_", Map: vowels}, "db/prod", "HUSHTEST_Main"},
		{&env.Options{Aliases: map[string]string{"db/prod": "HUSHTEST_Main"}, Prefix: "HUSHTEST_"}, "DB/PROD", "HUSHTEST_DB_PROD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := env.New(c.opts)
			unset(t, c.variable)
			_, err := p.Get(t.Context(), hush.Name(c.name))
			require.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
			assert.ErrorContains(t, err, fmt.Sprintf("%q", c.variable), "the error names the variable")

			t.Setenv(c.variable, "here")
			got, err := p.Get(t.Context(), hush.Name(c.name))
			require.NoError(t, err)
			assert.Equal(t, "here", got.Value.Reveal())
			assert.Equal(t, "env", got.Source)
		})
	}
}

func TestNameWithoutVariable(t *testing.T) {
	t.Setenv("HUSHTEST_", "not for a name without a variable")
	for name, opts := range map[string]*env.Options{
		"map":   {Prefix: "HUSHTEST_", Map: func(string) string { return "" }, Files: true},
		"alias": {Prefix: "HUSHTEST_", Aliases: map[string]string{"db": ""}},
	} {
		_, err := env.New(opts).Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err), name)
		assert.EqualError(t, err, `env: "db": not found: the name has no variable`, name)
	}
}

func TestOptionsAreCopied(t *testing.T) {
	t.Setenv("HUSHTEST_A", "a")
	opts := &env.Options{Aliases: map[string]string{"db": "HUSHTEST_A"}}
	p := env.New(opts)
	opts.Aliases["db"] = "HUSHTEST_B"
	got, err := p.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "a", got.Value.Reveal())
}

func TestSetButEmptyIsAValue(t *testing.T) {
	t.Setenv("HUSHTEST_EMPTY", "")
	for _, files := range []bool{false, true} {
		got, err := env.New(&env.Options{Files: files}).Get(t.Context(), hush.Name("hushtest/empty"))
		require.NoError(t, err)
		assert.Zero(t, got.Value.Len())
	}
}

func TestVersionStageAndField(t *testing.T) {
	t.Setenv("HUSHTEST_DB", `{"password":"hunter2"}`)
	p := env.New(nil)
	for _, ref := range []hush.Ref{
		{Name: "hushtest/db", Version: "v1"},
		{Name: "hushtest/db", Stage: "AWSPREVIOUS"},
		{Name: "hushtest/db", Version: "v1", Stage: hush.CurrentStage},
	} {
		_, err := p.Get(t.Context(), ref)
		assert.Equal(t, hush.ErrUnsupported, hush.ClassOf(err), "%s", ref)
	}
	for _, ref := range []hush.Ref{
		{Name: "hushtest/db", Field: "password"},
		{Name: "hushtest/db", Field: "password", Stage: hush.CurrentStage},
		hush.Ref{Name: "hushtest/db", Field: "password"}.Fresh(),
	} {
		got, err := p.Get(t.Context(), ref)
		require.NoError(t, err, "%s", ref)
		assert.Equal(t, "hunter2", got.Value.Reveal())
	}
}

func TestScheme(t *testing.T) {
	file(t, "HUSHTEST_IN_FILE", []byte("from a file"))
	t.Setenv("HUSHTEST_DB", "from a variable")
	s := env.Scheme()
	assert.Equal(t, "env", s.Name)
	for text, want := range map[string]string{
		"env:":                               "",
		"env:?prefix=HUSHTEST_":              "",
		"env:?prefix=HUSHTEST_&files=true":   "from a file",
		"env:?prefix=HUSHTEST_IN&files=true": "",
	} {
		u, err := url.Parse(text)
		require.NoError(t, err)
		p, err := s.Open(t.Context(), u)
		require.NoError(t, err, text)
		got, err := p.Get(t.Context(), hush.Name("in"))
		assert.Equal(t, want, got.Value.Reveal(), text)
		assert.Equal(t, want == "", err != nil, "%s: %v", text, err)
	}
}

func TestSchemeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"env:?files=yes":               `"files" must be true or false`,
		"env:?prefix=A%3DB":            "must not contain =",
		"env:?prefix=A%00":             "zero byte",
		"env:?file=true":               "env takes prefix, files",
		"env:?prefix=":                 "is empty",
		"env://host?prefix=A":          "must have only parameters",
		"env:?password=hunter2":        "must not contain credentials",
		"env:?prefix=A&prefix=hunter2": "set 2 times",
	} {
		u, err := url.Parse(text)
		require.NoError(t, err)
		p, err := env.Scheme().Open(t.Context(), u)
		require.ErrorContains(t, err, want, text)
		assert.Nil(t, p, text)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func alphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func TestNameWithoutLettersHasNoVariable(t *testing.T) {
	for _, variable := range []string{"_", "__", "A_"} {
		t.Setenv(variable, "wrong")
	}
	for _, p := range []*env.Provider{env.New(nil), env.New(&env.Options{Prefix: "A"})} {
		for _, name := range []string{"/", " ", "!", "+", ".", "..", "é"} {
			_, err := p.Get(t.Context(), hush.Name(name))
			assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err), "%q", name)
		}
	}
}

func FuzzMapping(f *testing.F) {
	for _, seed := range []string{"db/prod-main", "é", "A=B", "1x", "aws/session/token", strings.Repeat("n", 2048), "\u212a"} {
		f.Add(seed)
	}
	const prefix = "HUSHFUZZ_"
	f.Fuzz(func(t *testing.T, name string) {
		ref := hush.Name(name)
		_, err := env.New(&env.Options{Prefix: prefix}).Get(t.Context(), ref)
		require.Error(t, err, "nothing with this prefix is set")
		if ref.Validate() != nil {
			assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err))
			return
		}
		assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
		if strings.IndexFunc(name, alphanumeric) < 0 {
			assert.ErrorContains(t, err, "no variable")
			return
		}

		// The error names the variable: the prefix, and one character of the portable
		// set for each byte of the name.
		text := err.Error()
		_, rest, ok := strings.Cut(text[strings.LastIndex(text, "the variable "):], `"`+prefix)
		require.True(t, ok, text)
		mapped, _, _ := strings.Cut(rest, `"`)
		assert.Len(t, mapped, len(name))
		assert.Empty(t, strings.Trim(mapped, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))

		t.Setenv(prefix+mapped, "here")
		got, err := env.New(&env.Options{Prefix: prefix}).Get(t.Context(), ref)
		require.NoError(t, err)
		assert.Equal(t, "here", got.Value.Reveal())
	})
}
