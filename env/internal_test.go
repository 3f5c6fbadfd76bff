package env

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
)

// TestClassOf uses errors and not files, because the superuser can read every file.
func TestClassOf(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want hush.Class
	}{
		"permission": {&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, hush.ErrDenied},
		"missing":    {&fs.PathError{Op: "stat", Path: "x", Err: syscall.ENOENT}, hush.ErrUnavailable},
		"disk":       {&fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}, hush.ErrUnavailable},
		"other":      {errors.New("x"), hush.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, classOf(c.err)) })
	}
}
