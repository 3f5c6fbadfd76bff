package main

import (
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
)

// steering are variables by which a program loads or runs code. No secret belongs
// there, and who can write the secret could run a program. They are the common ones,
// and no list is complete. For what a pattern means see matches.
func steering() []string {
	return []string{
		// Shells; zsh ties those in small letters to what they look like.
		"PATH", "IFS", "ENV", "BASH_*", "BASHOPTS", "SHELLOPTS", "SHELL", "CDPATH", "FPATH", "GLOBIGNORE", "INPUTRC", "MAILPATH",
		"PS0", "PS1", "PS2", "PS3", "PS4", "PROMPT*", "RPROMPT*", "RPS1", "RPS2", "SPROMPT", "NULLCMD", "READNULLCMD",
		"ZDOTDIR", "FCEDIT", "path", "cdpath", "fpath", "module_path", "prompt",
		// What they take for arithmetic, where an index can run a command.
		"BASHPID", "COLUMNS", "EPOCHREALTIME", "EPOCHSECONDS", "HISTCMD", "HISTSIZE", "KSHEGID", "KSHGID", "KSHUID", "LINENO",
		"LINES", "OPTIND", "PGRP", "PIPESTATUS", "PPID", "RANDOM", "SECONDS", "SRANDOM", "TMOUT", "USER_ID",
		"BAUD", "DIRSTACKSIZE", "EGID", "ERRNO", "EUID", "FUNCNEST", "GID", "KEYTIMEOUT", "LISTMAX", "LOGCHECK", "MAILCHECK",
		"SAVEHIST", "SHLVL", "TRY_BLOCK_*", "TTYIDLE", "UID",
		// The loader and the C library.
		"LD_*", "DYLD_*", "GLIBC_TUNABLES", "GCONV_PATH", "GETCONF_DIR", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH",
		"MALLOC_*", "NLSPATH", "RES_OPTIONS", "RESOLV_HOST_CONF", "TERMCAP", "TERMINFO", "TERMINFO_DIRS", "TZDIR",
		// Languages and libraries.
		"GODEBUG", "GOENV", "GOFLAGS", "GOTOOLCHAIN", "GOTRACEBACK", "NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE",
		"PYTHON*", "PERL*", "RUBYLIB", "RUBYLIB_PREFIX", "RUBYOPT", "RUBYPATH", "RUBYSHELL", "GEM_HOME", "GEM_PATH",
		"BUNDLE_GEMFILE", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "MAVEN_OPTS", "GRADLE_OPTS",
		"RUSTC", "RUSTC_*", "R_PROFILE*", "R_ENVIRON*", "COR_*", "CORECLR_*", "DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS",
		"PHPRC", "PHP_INI_SCAN_DIR", "LUA_*", "ERL_*", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES",
		"GTK_MODULES", "GIO_EXTRA_MODULES", "QT_PLUGIN_PATH",
		// What tools have for configuration, and run for it.
		"HOME", "XDG_CONFIG_*", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "KUBECONFIG", "npm_config_*", "GIT_*",
		"MAKEFILES", "MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "PSQLRC", "VIMINIT", "EXINIT",
		"*EDITOR", "VISUAL", "*PAGER", "BROWSER", "LESSOPEN", "LESSCLOSE", "*ASKPASS", "RSYNC_RSH", "CVS_RSH", "SVN_SSH",
		// Windows.
		"COMSPEC", "PATHEXT", "SYSTEMROOT", "WINDIR",
	}
}

// credentials are what steering would refuse, and what secrets are for.
func credentials() []string {
	return []string{
		"GIT_*TOKEN", "GIT_*PASSWORD", "GIT_*USERNAME", "GIT_*USER", "GIT_*KEY", "GIT_*SECRET", "GIT_*CREDENTIALS", "GIT_PASS", "GIT_PAT",
		"npm_config_*auth", "npm_config_*authtoken", "npm_config_*auth_token", "npm_config_*password",
	}
}

// trusted are variables that say whom a program talks to and trusts. A person may
// name one; whoever can write a secret may not, by what a member of it is called.
func trusted() []string {
	patterns := []string{"HUSH_*", "VAULT_*", "AWS_*", "*_proxy", "SSL_CERT_*", "XDG_*", "HOME"}
	if runtime.GOOS != "windows" { // where it is the same as user, and means nothing
		patterns = append(patterns, "USER")
	}
	return patterns
}

// matches reports whether one of patterns is for name. A star stands for any
// characters, and a pattern in small letters is for a name in any case.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		fold := folded
		if pattern == strings.ToLower(pattern) {
			fold = strings.ToLower
		}
		ok, err := path.Match(fold(pattern), fold(name))
		return ok && err == nil
	})
}

// checkTarget returns why name is no variable that a secret may be put into.
func checkTarget(name string) error {
	if !identifier(name) {
		return fmt.Errorf("%.80q is no name of a variable, which is letters, digits and underscores, and begins with no digit", name)
	}
	if matches(steering(), name) && !matches(credentials(), name) {
		return fmt.Errorf("%.80s is refused: programs load or run code by it, and it is no place for a secret", name)
	}
	return nil
}

// checkMember is checkTarget for a name that nobody has given but the secret.
func checkMember(name string) error {
	if err := checkTarget(name); err != nil {
		return err
	}
	if matches(trusted(), name) {
		return fmt.Errorf("%.80s is refused as a member's name: programs trust by it; if it is meant, say so, as in NAME=REF#NAME", name)
	}
	return nil
}
