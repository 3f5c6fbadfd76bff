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

func TestCheckTarget(t *testing.T) {
	for _, name := range []string{
		"PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "LD_PRELOAD", "LD_", "DYLD_INSERT_LIBRARIES", "GCONV_PATH", "GODEBUG",
		"NODE_OPTIONS", "PYTHONPATH", "PERL5OPT", "PERLLIB", "RUBYOPT", "GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "path",
		"RANDOM", "SRANDOM", "HISTCMD", "OPTIND", "SECONDS", "BASHPID", "COLUMNS", "KSHEGID", "KSHGID", "KSHUID", "LINENO",
		"LINES", "PGRP", "PIPESTATUS", "PPID", "TMOUT", "USER_ID", "PS0", "PS1", "PS2", "PS4", "PROMPT", "PROMPT_COMMAND", "BASH_X",
		"MAKEFLAGS", "GNUMAKEFLAGS", "MAKEFILES", "GIT_SEQUENCE_EDITOR", "GIT_DIR", "GIT_WORK_TREE", "GIT_ASKPASS", "SSH_ASKPASS", "HOME",
		"GIT_CONFIG_KEY_0", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "npm_config_script_shell", "NPM_CONFIG_SCRIPT_SHELL",
		"Npm_Config_node_options", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "KUBECONFIG", "PAGER", "MANPAGER", "PSQL_EDITOR", "EDITOR",
		"PSQLRC", "RSYNC_RSH", "SVN_SSH", "GEM_HOME", "GEM_PATH", "BUNDLE_GEMFILE", "MAVEN_OPTS", "GRADLE_OPTS", "RUSTC_WRAPPER",
		"GOENV", "GOTOOLCHAIN", "VIMINIT", "EXINIT", "R_PROFILE_USER", "GTK_MODULES", "GIO_EXTRA_MODULES", "QT_PLUGIN_PATH",
		"NODE_REPL_EXTERNAL_MODULE", "BASH_LOADABLES_PATH",
		"", "1A", "A-B", "A=B", "A B", "A\x00", "é", "BASH_FUNC_x%%",
	} {
		assert.Error(t, checkTarget(name), "%q", name)
	}
	for _, name := range []string{
		"DB_PASSWORD", "_", "a1", "LDAP_PASSWORD", "NODE_AUTH_TOKEN", "NPM_TOKEN", "GIT_TOKEN", "GIT_PASSWORD", "GIT_USERNAME",
		"GIT_ACCESS_TOKEN", "GIT_CREDENTIALS", "GITHUB_TOKEN", "KUBE_TOKEN", "KUBECONFIG_DATA", "AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "VAULT_TOKEN", "npm_config__auth", "NPM_CONFIG__AUTHTOKEN", "RUBYGEMS_API_KEY",
		"BUNDLE_GITHUB__COM", "CARGO_REGISTRY_TOKEN", "HTTPS_PROXY", "USER", "MY_PATH", "PATH_2", "HUSH_X",
	} {
		assert.NoError(t, checkTarget(name), name)
	}
}

// Who may write a secret names its members.
func TestCheckMember(t *testing.T) {
	for _, name := range []string{
		"PATH", "RANDOM", "a-b", "HUSH_PROVIDERS", "VAULT_ADDR", "AWS_ENDPOINT_URL", "https_proxy", "ALL_PROXY", "No_Proxy", "SSL_CERT_FILE",
		"HOME", "XDG_DATA_HOME",
	} {
		assert.Error(t, checkMember(name), name)
	}
	for _, name := range []string{"user", "username", "password", "host", "port", "DB_USER", "PROXY"} {
		assert.NoError(t, checkMember(name), name)
	}
	assert.Less(t, len(checkMember("LD_"+strings.Repeat("a", 1<<16)).Error()), 200)
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
			assert.NoError(t, checkTarget(v.name))
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
