// Package secretfile reads files with secrets, tokens and configuration. No other package
// of this module opens such a file.
//
// A read opens the path once and then uses only the descriptor. It therefore reads the
// file that it has checked, even if another file replaces it at the path. Opening a FIFO
// does not wait for its writer.
//
// Errors quote neither the path nor the content. A secret may be in place of a path by
// mistake, and the log would show it.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A fileError is an error of this package, whose text quotes no path.
type fileError string

func (e fileError) Error() string { return string(e) }

const errNotRegular fileError = "is a directory, a pipe or a device, not a regular file"

// Read returns the content of the regular file at path, which may be a symbolic link. It
// returns an error if the content exceeds limit bytes. Reason describes the error.
func Read(path string, limit int64) ([]byte, error) {
	content, _, err := ReadInfo(path, limit)
	return content, err
}

// ReadInfo is Read, and also returns the FileInfo of the descriptor, so that the caller
// can check the owner of the file that was read.
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
	// The file may have grown, so info.Size is not the limit.
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, nil, err
	case int64(len(content)) > limit:
		return nil, nil, fileError(fmt.Sprintf("exceeds the limit of %d bytes", limit))
	}
	return content, info, nil
}

// openSettled opens path, and retries once if path does not exist. The kubelet replaces
// the files of a volume: it renames a link called "..data", and then removes the former
// target of the link. A path that was resolved through the old link fails, although the
// file always exists.
func openSettled(path string, open func(string) (*os.File, error)) (*os.File, error) {
	f, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return open(path)
	}
	return f, err
}

// Reason describes an error of Read, such as "does not exist", for a sentence that starts
// with the name of the file.
func Reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "is not readable by this process"
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	}
	if e, ok := errors.AsType[fileError](err); ok {
		return e.Error()
	}
	// The text of the system does not quote the path.
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return "cannot be read: " + e.Err.Error()
	}
	return "cannot be read"
}
