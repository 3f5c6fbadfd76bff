package main

import (
	"fmt"
	"path"
	"slices"
)

// reserved returns patterns of the variables through which the loader and shells
// load and run code. A * stands for any characters. The list is deliberately short:
// a list of all variables that can make some program run code cannot be complete.
func reserved() []string {
	return []string{
		"LD_*", "DYLD_*", "*_PRELOAD", "GLIBC_TUNABLES", "GCONV_PATH", // the loader and the C library
		"PATH", "IFS", "ENV", "BASH_*", "BASHOPTS", "SHELLOPTS", "CDPATH", "FPATH", "PROMPT_COMMAND", "PS4", "ZDOTDIR",
		"path", "cdpath", "fpath", "module_path", // zsh ties them to the variables in capitals
		"COMSPEC", "PATHEXT", // cmd.exe
	}
}

// checkVariable returns an error if a secret must not become the variable name.
func checkVariable(name string) error {
	if !identifier(name) {
		return fmt.Errorf("%.80q is not a valid variable name: use letters, digits and underscores, and do not begin with a digit", name)
	}
	if slices.ContainsFunc(reserved(), func(pattern string) bool { return matches(pattern, name) }) {
		return fmt.Errorf("%.80q is reserved for the loader or for shells, which could run the secret as code: choose another name", name)
	}
	return nil
}

// matches reports whether a pattern of reserved matches name.
func matches(pattern, name string) bool {
	ok, err := path.Match(folded(pattern), folded(name))
	return ok && err == nil
}
