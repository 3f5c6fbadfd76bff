// Package secretfile reads the files that secrets, tokens and configuration are
// mounted as. It is the only place where this module opens such a file.
//
// A read opens the path once and then uses only the descriptor. The file that was
// checked is therefore the file that was read, even if the path is exchanged in
// between. Opening a FIFO does not wait for its writer.
//
// Errors name neither the path nor the content. A secret in place of a path is an
// easy mistake, and it would be in the log.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

var errNotRegular = errors.New("is a directory, a pipe or a device, not a regular file")

// A sizeError is the size limit that a file exceeds.
type sizeError int64

func (e sizeError) Error() string { return fmt.Sprintf("is over the limit of %d bytes", int64(e)) }

// Read returns the content of the regular file at path. The path may be a symbolic
// link. More than limit bytes are an error. Use Reason for the text of an error.
func Read(path string, limit int64) ([]byte, error) {
	content, _, err := ReadInfo(path, limit)
	return content, err
}

// ReadInfo is Read, and returns the state of the file just before it was read. Both
// results belong to the same descriptor, so that a caller can check the owner of what
// it has read.
func ReadInfo(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := openSettled(path, open)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, errNotRegular
	}
	// The size in info is not a promise, so the bytes are counted.
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, nil, err
	case int64(len(content)) > limit:
		return nil, nil, sizeError(limit)
	}
	return content, info, nil
}

// openSettled opens path, and once more if it does not exist. The kubelet replaces
// the files of a volume by renaming a link called "..data" and then removes the
// directory that the link named before. A path that was resolved through the old link
// fails, although a file is there at every moment.
func openSettled(path string, open func(string) (*os.File, error)) (*os.File, error) {
	f, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return open(path)
	}
	return f, err
}

// Reason describes an error of Read, such as "does not exist". It follows the name of
// the file in a sentence.
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
	// Only the system's text of a *fs.PathError is kept, not its path.
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return "cannot be read: " + e.Err.Error()
	}
	return "cannot be read"
}
