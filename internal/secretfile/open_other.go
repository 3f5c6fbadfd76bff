//go:build !unix

package secretfile

import "os"

// open opens path for reading. On these systems, opening a pipe does not wait.
func open(path string) (*os.File, error) { return os.Open(path) }
