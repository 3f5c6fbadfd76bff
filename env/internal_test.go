package env

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
)

// Here, and not by files alone, because nothing is unreadable for the superuser.
func TestFaultOf(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		class hush.Class
		says  string
	}{
		"permission": {&fs.PathError{Op: "open", Path: "hunter2", Err: syscall.EACCES}, hush.ErrDenied, "may not be read by this process"},
		"missing":    {&fs.PathError{Op: "stat", Path: "hunter2", Err: syscall.ENOENT}, hush.ErrUnavailable, "does not exist"},
		"disk":       {&fs.PathError{Op: "read", Path: "hunter2", Err: syscall.EIO}, hush.ErrUnavailable, "cannot be read: " + syscall.EIO.Error()},
		"foreign":    {errors.New("hunter2"), hush.ErrUnavailable, "cannot be read"},
	} {
		class, says := faultOf(c.err)
		assert.Equal(t, c.class, class, name)
		assert.Equal(t, c.says, says, name)
	}
}
