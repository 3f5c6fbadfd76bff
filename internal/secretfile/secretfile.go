// Package secretfile reads the files that secrets and credentials are mounted as.
// It never waits for one, and says what is wrong with it without its path or its
// content: a secret in the place of a path is an easy mistake, and would be in the
// log.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

var errNotRegular = errors.New("is a directory, a pipe or a device, not a regular file")

// A sizeError is the limit that a file is over.
type sizeError int64

func (e sizeError) Error() string { return fmt.Sprintf("is over the limit of %d bytes", int64(e)) }

// Read returns the content of the regular file at path, which may be a link. More
// than limit bytes are an error. For the words to show of an error see Reason.
//
// It looks before it opens, because opening a FIFO waits for its writer, and counts
// what it reads, because a size is not a promise.
func Read(path string, limit int64) ([]byte, error) {
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
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(content)) > limit:
		return nil, sizeError(limit)
	}
	return content, nil
}

// Reason returns an error of Read as what the file does, such as "does not exist".
func Reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "may not be read by this process"
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, errNotRegular):
		return errNotRegular.Error()
	}
	if e, ok := errors.AsType[sizeError](err); ok {
		return e.Error()
	}
	// Of a *fs.PathError only the system's word is kept, not the path.
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return "cannot be read: " + e.Err.Error()
	}
	return "cannot be read"
}
