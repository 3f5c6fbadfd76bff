package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// steering are the variables that say which code a program loads or runs. No secret
// belongs there, and who can write the secret could run a program. A name with a
// star stands for all that begin like it.
func steering() []string {
	return []string{
		// Shells; zsh ties those in small letters to what they look like.
		"PATH", "IFS", "ENV", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "SHELL", "CDPATH", "GLOBIGNORE", "PS4",
		"PROMPT_COMMAND", "ZDOTDIR", "FPATH", "path", "cdpath", "fpath", "module_path",
		// The loader and the C library.
		"LD_*", "DYLD_*", "GLIBC_TUNABLES", "GCONV_PATH", "GETCONF_DIR", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH",
		"MALLOC_*", "NLSPATH", "RES_OPTIONS", "RESOLV_HOST_CONF", "TERMCAP", "TERMINFO", "TERMINFO_DIRS", "TZDIR",
		// Languages and libraries.
		"GODEBUG", "GOFLAGS", "GOTRACEBACK", "NODE_OPTIONS", "NODE_PATH", "PYTHON*", "PERL*",
		"RUBYLIB", "RUBYLIB_PREFIX", "RUBYOPT", "RUBYPATH", "RUBYSHELL", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS",
		"CLASSPATH", "COR_*", "CORECLR_*", "DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS",
		"PHPRC", "PHP_INI_SCAN_DIR", "LUA_*", "ERL_*", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES",
		// Programs that programs run.
		"EDITOR", "VISUAL", "PAGER", "BROWSER", "LESSOPEN", "LESSCLOSE", "SSH_ASKPASS", "SUDO_ASKPASS", "GIT_ASKPASS",
		"GIT_CONFIG_*", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND",
		"GIT_SSH", "GIT_SSH_COMMAND", "GIT_TEMPLATE_DIR",
		// Windows.
		"COMSPEC", "PATHEXT", "SYSTEMROOT", "WINDIR",
	}
}

// checkTarget returns why name is no variable that a secret may be put into.
func checkTarget(name string) error {
	if !identifier(name) {
		return fmt.Errorf("%.80q is no name of a variable, which is letters, digits and underscores, and begins with no digit", name)
	}
	steers := func(pattern string) bool {
		prefix, several := strings.CutSuffix(pattern, "*")
		return several && strings.HasPrefix(folded(name), prefix) || folded(name) == folded(pattern)
	}
	if slices.ContainsFunc(steering(), steers) {
		return fmt.Errorf("%s is refused: it says which code is loaded or run, and is no place for a secret", name)
	}
	return nil
}

// folded returns a name as the system compares it.
func folded(name string) string {
	if runtime.GOOS == "windows" {
		return strings.ToUpper(name)
	}
	return name
}

// identifier reports whether every POSIX shell can have a variable of that name.
func identifier(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return name != ""
}

// cutName returns NAME and REF of NAME=REF; ok is false where there is no NAME. A
// reference whose own name has a = writes %3D for it.
func cutName(text string) (name, ref string, ok bool) {
	name, ref, ok = strings.Cut(text, "=")
	if !ok || !identifier(name) {
		return "", text, false
	}
	return name, ref, true
}

// variableFor returns the variable that a secret has where nobody gave it a name: as
// that which the env store reads it from, with the field after the name.
func variableFor(name, field string) string {
	if field = strings.TrimPrefix(field, "/"); field != "" {
		name += "_" + field
	}
	b := []byte(strings.ToUpper(name))
	for i := range b {
		if !identifier("_" + string(b[i:i+1])) {
			b[i] = '_'
		}
	}
	if len(b) > 0 && '0' <= b[0] && b[0] <= '9' {
		return "_" + string(b)
	}
	return string(b)
}

// A dropper removes variables.
type dropper []string

// newDropper reads names, and prefixes, which end with an underscore.
func newDropper(words []string) (dropper, error) {
	for _, word := range words {
		if !identifier(word) {
			return nil, fmt.Errorf("--drop: %.80q is neither the name of a variable nor a prefix that ends with _", word)
		}
	}
	return words, nil
}

// drops reports whether name is to be removed.
func (d dropper) drops(name string) bool {
	return slices.ContainsFunc(d, func(word string) bool {
		word, name := folded(word), folded(name)
		return word == name || strings.HasSuffix(word, "_") && strings.HasPrefix(name, word)
	})
}

var errZeroByte = errors.New("has a zero byte, which no variable can hold")
