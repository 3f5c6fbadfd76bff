package env

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxFile bounds a secret's file. Stores keep at most 64 KiB; a bigger file is
// almost certainly the wrong one.
const maxFile = 1 << 20

// namedFile returns the content of the file that variable names, or the class and
// the cause of its failure.
//
// No cause quotes the path: a password in DB_FILE that was meant for DB is an
// easy mistake, and it would be in the log.
func namedFile(variable, path string) ([]byte, hush.Class, error) {
	if path == "" {
		return nil, hush.ErrUnavailable, fmt.Errorf("%q is set and empty: it names no file", variable)
	}
	content, err := secretfile.Read(path, maxFile)
	if err != nil {
		class, reason := faultOf(err)
		return nil, class, fmt.Errorf("the file that %q names %s", variable, reason)
	}
	return content, 0, nil
}

// faultOf returns the class of a failure to read a file, and it in words.
func faultOf(err error) (hush.Class, string) {
	if errors.Is(err, fs.ErrPermission) {
		return hush.ErrDenied, secretfile.Reason(err)
	}
	return hush.ErrUnavailable, secretfile.Reason(err)
}
