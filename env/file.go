package env

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/hush-secrets/hush"
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
	content, err := readFile(path)
	if err != nil {
		class, reason := faultOf(err)
		return nil, class, fmt.Errorf("the file that %q names %s", variable, reason)
	}
	return content, 0, nil
}

var (
	errNotRegular = errors.New("is a directory, a pipe or a device, not a regular file")
	errTooLarge   = fmt.Errorf("is over the limit of %d bytes", maxFile)
)

// readFile looks before it opens, because opening a FIFO waits for its writer,
// and counts what it reads, because a size is not a promise.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) > maxFile:
		return nil, errTooLarge
	}
	return content, nil
}

// faultOf returns the class of a failure of readFile, and it in words.
func faultOf(err error) (hush.Class, string) {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return hush.ErrDenied, "may not be read by this process"
	case errors.Is(err, fs.ErrNotExist):
		return hush.ErrUnavailable, "does not exist"
	case errors.Is(err, errNotRegular), errors.Is(err, errTooLarge):
		return hush.ErrUnavailable, err.Error()
	}
	// Of a *fs.PathError only the system's word is kept, not the path.
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return hush.ErrUnavailable, "cannot be read: " + e.Err.Error()
	}
	return hush.ErrUnavailable, "cannot be read"
}
