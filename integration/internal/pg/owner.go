package pg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// An owner is the user that the server runs as. Nil is the user of the test.
type owner struct{ uid, gid uint32 }

// findOwner returns nil or, if the test runs as root, another user, because PostgreSQL refuses
// to run as root.
func findOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := user.Lookup(name); err == nil {
			return ownerOf(found)
		}
	}
	return nil, errors.New("pg: PostgreSQL refuses to run as root, and no other user was found")
}

func ownerOf(u *user.User) (*owner, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("pg: the user id of %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("pg: the group id of %s: %w", u.Username, err)
	}
	return &owner{uint32(uid), uint32(gid)}, nil
}

// tempDir returns a new directory that only the owner, and root, can enter.
func (o *owner) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "hush-pg-")
	if err != nil || o == nil {
		return dir, err
	}
	if err := os.Chown(dir, int(o.uid), int(o.gid)); err != nil {
		return "", errors.Join(fmt.Errorf("pg: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}

// command returns a command that runs as the owner, with an environment that
// changes nothing in what it does, and that ends with this process. The end of ctx
// interrupts it.
func (o *owner) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the server's own binaries
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.Dir = os.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = attributes()
	if o != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
	return cmd
}
