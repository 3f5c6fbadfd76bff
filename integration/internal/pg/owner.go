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

// An owner is the user of the server. Nil means the user of the test.
type owner struct{ uid, gid uint32 }

// findOwner returns nil or, if the test runs as root, another user, because PostgreSQL refuses
// to run as root.
func findOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return ownerOf(u)
		}
	}
	return nil, errors.New("pg: PostgreSQL does not run as root, and this machine has no unprivileged user, such as postgres; run the test as another user")
}

func ownerOf(u *user.User) (*owner, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("pg: user ID of %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("pg: group ID of %s: %w", u.Username, err)
	}
	return &owner{uint32(uid), uint32(gid)}, nil
}

// tempDir returns a new directory for the owner only.
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

// command returns a command that runs as the owner with a minimal environment. The end of ctx
// interrupts it. On Linux, it ends with this process.
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
