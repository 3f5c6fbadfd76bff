package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config/all"
)

func TestCheckVariableName(t *testing.T) {
	for _, name := range []string{
		"PATH", "path", "FPATH", "IFS", "ENV", "BASH_ENV", "BASH_X", "SHELLOPTS", "PS4", "PROMPT_COMMAND", "ZDOTDIR",
		"LD_PRELOAD", "LD_", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "MY_PRELOAD", "GLIBC_TUNABLES", "GCONV_PATH",
		"", "1A", "A-B", "A=B", "A B", "A\x00", "é", "BASH_FUNC_x%%",
	} {
		assert.Error(t, checkVariableName(name), "%q", name)
	}
	for _, name := range []string{
		"DB_PASSWORD", "_", "a1", "LDAP_PASSWORD", "MY_PATH", "PATH_2", "PRELOAD", "USER", "HOME", "HTTPS_PROXY", "VAULT_TOKEN",
		"GIT_ASKPASS", "TAR_OPTIONS", "NODE_OPTIONS", "RANDOM", "KUBECONFIG", "HUSH_X",
	} {
		assert.NoError(t, checkVariableName(name), name)
	}
	assert.Less(t, len(checkVariableName("LD_"+strings.Repeat("a", 1<<16)).Error()), 300)
}

func TestDefaultVariable(t *testing.T) {
	for text, want := range map[string]string{
		"db/prod": "DB_PROD", "db/prod#user": "DB_PROD_USER", "db#/tls/key": "DB_TLS_KEY", "1pw": "_1PW", "é": "",
	} {
		ref, err := parseRef(text)
		require.NoError(t, err)
		assert.Equal(t, want, defaultVariable(ref))
	}
}

// A signal right before the command would start still ends hush.
func TestExecDoesNotStartAfterSignal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := &execOptions{}
	o.addFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	err := o.run(ctx, []string{"go"}, func() { t.Fatal("the command is started") })
	assert.Equal(t, 130, exitCode(err))
}

func newSource() *source {
	s := &source{}
	s.addFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	return s
}

func TestFindFile(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(providersVariable, "")
	t.Setenv(configVariable, "")
	path, _, err := newSource().findFile()
	require.NoError(t, err)
	assert.Empty(t, path)
	for _, want := range []string{"", "providers: [env]\n"} {
		require.NoError(t, os.WriteFile(configFile, []byte(want), 0o600))
		path, text, err := newSource().findFile()
		require.NoError(t, err)
		assert.Equal(t, configFile, path)
		assert.Equal(t, want, string(text))
	}
	require.NoError(t, os.Remove(configFile))
	require.NoError(t, os.Symlink(filepath.Join("no", "such"), configFile))
	_, _, err = newSource().findFile()
	assert.EqualError(t, err, "hush.yaml: the file does not exist", "a broken link is an error, not a missing file")
}

// The file that was checked is used, even if another file replaces it afterwards.
func TestFoundFileIsReadOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(providersVariable, "")
	t.Setenv(configVariable, "")
	require.NoError(t, os.WriteFile(configFile, []byte("providers: ['env:?prefix=FIRST_']\n"), 0o600))
	s := newSource()
	cfg, err := s.read(nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(configFile, []byte("providers: ['env:?prefix=SECOND_']\n"), 0o600))

	t.Setenv("FIRST_DB", "first")
	p, err := s.open(t.Context(), cfg, all.Schemes())
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Close()) }()
	secret, err := p.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "first", secret.Value.Reveal())
}

// unquote parses a word as a POSIX shell does (XCU 2.2). It supports neither double
// quotes, which hush does not write, nor expansions, which fail the test.
func unquote(t *testing.T, word string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\'':
			end := strings.IndexByte(word[i+1:], '\'')
			require.GreaterOrEqual(t, end, 0, "unterminated quote")
			b.WriteString(word[i+1 : i+1+end])
			i += end + 1
		case c == '\\':
			i++
			require.Less(t, i, len(word))
			require.NotEqual(t, byte('\n'), word[i], "line continuation")
			b.WriteByte(word[i])
		case strings.IndexByte(" \t\n|&;<>()$`\"*?[#~!{}", c) >= 0:
			require.Fail(t, "special outside of quotes", "%q in %q", c, word)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "it's", "''", "a\nb", `\`, `\'`, "$(id)", "`id`", "~", "a=b", "\xff", "!", "#", "-n", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		assert.Equal(t, s, unquote(t, quote(s)))
		word := quoteIfNeeded(s)
		assert.Equal(t, s, unquote(t, word))
		assert.Equal(t, strings.Count(s, "\n"), strings.Count(word, "\n"))
	})
}

func FuzzEnvFile(f *testing.F) {
	for _, s := range []string{
		"", "A=db/prod#password\n", "# comment\n\nA=a\r\nB=hush://b?version=1&stage=x#/y\n", "A=a\nA=b", "export A=b", "A= b", "A=b ",
		"A='b'", "PATH=x", "A", "=", "A=\xff", "\ufeffA=b", "A=%", "A=b\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		variables, errs := parseEnvFile(text)
		var printed strings.Builder
		for _, v := range variables {
			assert.NoError(t, checkVariableName(v.name))
			assert.NoError(t, v.ref.Validate())
			printed.WriteString(v.name + "=" + refPrefix + v.ref.String() + "\n")
		}
		for _, err := range errs {
			assert.Regexp(t, `^[1-9][0-9]*: .`, err.Error())
		}
		if strings.ContainsAny(printed.String(), "'\"") || strings.Count(printed.String(), "://") > len(variables) {
			return // %22 and %3A are printed unescaped
		}
		again, errs := parseEnvFile(printed.String())
		assert.Empty(t, errs)
		for i := range variables {
			variables[i].origin, again[i].origin = "", "" // the lines differ
		}
		assert.Equal(t, variables, again)
	})
}
