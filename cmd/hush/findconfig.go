package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxConfigFile bounds configFile, in bytes, as package config bounds its files.
const maxConfigFile = 1 << 20

// findConfig returns the text of configFile in the working directory, or nil if there
// is no such file. It refuses a file that another user can write or exchange, because
// the file decides where our credentials are sent and which values we take for
// secrets. The file is read once, so that the text that was checked is the text that
// is used.
func findConfig() ([]byte, error) {
	if _, err := os.Lstat(configFile); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	text, file, err := secretfile.ReadInfo(configFile, maxConfigFile)
	if err != nil {
		return nil, fmt.Errorf("%s: the file %s", configFile, secretfile.Reason(err))
	}
	if why := cmp.Or(distrustPlace(file), distrust(file)); why != "" {
		return nil, fmt.Errorf("%s in the working directory %s; use --config %[1]s if you trust it", configFile, why)
	}
	return text, nil
}

// distrustPlace returns why another user may have chosen file, or "". It must be called
// after file was opened. In a directory with the sticky bit, another user can put a link
// to one of our files for a moment; the link is still there, or another file is.
func distrustPlace(file fs.FileInfo) string {
	dir, err := os.Stat(".")
	if err != nil {
		return "is in a directory that cannot be checked"
	}
	if why := distrustDir(dir); why != "" {
		return "is in a directory that " + why
	}
	entry, err := os.Lstat(configFile)
	switch {
	case err != nil, entry.Mode()&fs.ModeSymlink == 0 && !os.SameFile(entry, file):
		return "was replaced while hush read it"
	case distrust(entry) != "":
		return distrust(entry)
	}
	return ""
}
