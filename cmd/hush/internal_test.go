package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

func TestCheckVariable(t *testing.T) {
	for _, name := range []string{
		"PATH", "path", "FPATH", "IFS", "ENV", "BASH_ENV", "BASH_X", "SHELLOPTS", "PS4", "PROMPT_COMMAND", "ZDOTDIR",
		"LD_PRELOAD", "LD_", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "MY_PRELOAD", "GLIBC_TUNABLES", "GCONV_PATH",
		"", "1A", "A-B", "A=B", "A B", "A\x00", "é", "BASH_FUNC_x%%",
	} {
		assert.Error(t, checkVariable(name), "%q", name)
	}
	for _, name := range []string{
		"DB_PASSWORD", "_", "a1", "LDAP_PASSWORD", "MY_PATH", "PATH_2", "PRELOAD", "USER", "HOME", "HTTPS_PROXY", "VAULT_TOKEN",
		"GIT_ASKPASS", "TAR_OPTIONS", "NODE_OPTIONS", "RANDOM", "KUBECONFIG", "HUSH_X",
	} {
		assert.NoError(t, checkVariable(name), name)
	}
	assert.Less(t, len(checkVariable("LD_"+strings.Repeat("a", 1<<16)).Error()), 300)
}

func TestCutName(t *testing.T) {
	for text, want := range map[string][2]string{
		"A=b": {"A", "b"}, "A=": {"A", ""}, "A=b=c": {"A", "b=c"}, "b": {"", "b"}, "db?version=1": {"", "db?version=1"},
		"a-b=c": {"", "a-b=c"}, "=b": {"", "=b"}, "a%3Db": {"", "a%3Db"},
	} {
		name, ref, ok := cutName(text)
		assert.Equal(t, want, [2]string{name, ref}, text)
		assert.Equal(t, name != "", ok, text)
	}
}

func TestVariableFor(t *testing.T) {
	for want, of := range map[string][2]string{
		"DB_PROD": {"db/prod", ""}, "DB_PROD_USER": {"db/prod", "user"}, "DB_TLS_KEY": {"db", "/tls/key"}, "_1PW": {"1pw", ""}, "__": {"é", ""},
	} {
		assert.Equal(t, want, variableFor(of[0], of[1]))
	}
}

// A signal that comes when all is ready is still hush's.
func TestExecInterruptedAtTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := &execOptions{}
	o.flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	err := o.run(ctx, []string{"go"}, func() { t.Fatal("the command is started") })
	assert.Equal(t, 130, exitCode(err))
}

// An owned file is one of which only the owner and the mode are known.
type owned struct {
	fs.FileInfo
	sys  any
	mode fs.FileMode
}

func (o owned) Sys() any          { return o.sys }
func (o owned) Mode() fs.FileMode { return o.mode }

func TestFindConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	found, err := findConfig()
	require.NoError(t, err)
	assert.Nil(t, found)
	for _, text := range []string{"", "providers: [env]\n"} {
		require.NoError(t, os.WriteFile(configFile, []byte(text), 0o600))
		found, err = findConfig()
		require.NoError(t, err)
		assert.NotNil(t, found)
		assert.Equal(t, text, string(found))
	}
	require.NoError(t, os.Remove(configFile))
	require.NoError(t, os.Symlink(filepath.Join("no", "such"), configFile))
	_, err = findConfig()
	assert.EqualError(t, err, "hush.yaml: the file does not exist", "a link that leads nowhere is an error, not an absent file")
}

// The file that was checked is used, even if another one takes its place afterwards.
func TestFoundConfigIsReadOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HUSH_PROVIDERS", "")
	t.Setenv("HUSH_CONFIG", "")
	require.NoError(t, os.WriteFile(configFile, []byte("providers: ['env:?prefix=OURS_']\n"), 0o600))
	s := source{set: pflag.NewFlagSet("", pflag.ContinueOnError)}
	require.NoError(t, s.settle())
	require.NoError(t, os.WriteFile(configFile, []byte("providers: ['env:?prefix=THEIRS_']\n"), 0o600))
	cfg, err := s.config()
	require.NoError(t, err)
	require.Len(t, cfg.Providers, 1)
	assert.Equal(t, "env:?prefix=OURS_", cfg.Providers[0].URL)

	t.Setenv("OURS_DB", "ours")
	p, err := s.open(t.Context())
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Close()) }()
	got, err := p.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "ours", got.Value.Reveal())
}

// unquote reads a word as a POSIX shell does: XCU 2.2, without double quotes, which
// hush does not write, and without expansions, which fail here.
func unquote(t *testing.T, word string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\'':
			end := strings.IndexByte(word[i+1:], '\'')
			require.GreaterOrEqual(t, end, 0, "a quote without an end")
			b.WriteString(word[i+1 : i+1+end])
			i += end + 1
		case c == '\\':
			i++
			require.Less(t, i, len(word))
			require.NotEqual(t, byte('\n'), word[i], "a line that goes on")
			b.WriteByte(word[i])
		case strings.IndexByte(" \t\n|&;<>()$`\"*?[#~!{}", c) >= 0:
			require.Fail(t, "outside of quotes", "%q in %q", c, word)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "plain", "it's", "''", "a\nb", `\`, `\'`, "$(id)", "`id`", "~", "a=b", "\xff", "!", "#", "-n", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		assert.Equal(t, s, unquote(t, quoted(s)))
		word := quotedIfNeeded(s)
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
			assert.NoError(t, checkVariable(v.name))
			assert.NoError(t, v.ref.Validate())
			printed.WriteString(v.name + "=" + urlPrefix + v.ref.String() + "\n")
		}
		for _, err := range errs {
			assert.Regexp(t, `^[1-9][0-9]*: .`, err.Error())
		}
		if strings.ContainsAny(printed.String(), "'\"") || strings.Count(printed.String(), "://") > len(variables) {
			return // what was written %22 or %3A is printed as it is
		}
		again, errs := parseEnvFile(printed.String())
		assert.Empty(t, errs)
		for i := range variables {
			variables[i].from, again[i].from = "", "" // which line it is
		}
		assert.Equal(t, variables, again)
	})
}
