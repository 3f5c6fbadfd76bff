package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// findCommand returns the path of a command, as a shell would find it.
func findCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", codeError{fmt.Errorf("%q is in the working directory, which PATH names: write ./%s if it is meant", name, name), exitNoCommand}
	case !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, fs.ErrNotExist):
		return "", codeError{fmt.Errorf("%q cannot be run: %w", name, rootCause(err)), exitNotExecutable}
	case inPath(name):
		return "", codeError{fmt.Errorf("%q cannot be run: what PATH has of that name is no file that may be executed", name), exitNotExecutable}
	}
	return "", codeError{fmt.Errorf("%q: there is no such command", name), exitNoCommand}
}

// inPath reports whether PATH has a file of that name, executable or not.
func inPath(name string) bool {
	return !strings.ContainsRune(name, filepath.Separator) && slices.ContainsFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	})
}

// rootCause returns what the system said.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
