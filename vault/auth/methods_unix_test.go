//go:build unix

package auth_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/auth"
)

// Opening a FIFO without a writer would block the login.
func TestCredentialInAPipeIsRejected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	s := newLoginServer(t)
	s.requireFailure(t, auth.Token(auth.File(path)), hush.ErrUnauthenticated, "a pipe")
	s.requireFailure(t, auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.File(path)}), hush.ErrUnauthenticated, "a pipe")
	s.requireFailure(t, auth.Kubernetes("r", &auth.JWTOptions{JWT: auth.File(path)}), hush.ErrUnauthenticated, "a pipe")
}

// The superuser may read every file, so both outcomes are checked.
func TestUnreadableCredentialIsRejected(t *testing.T) {
	s := newLoginServer(t)
	path := newFile(t, loginCanary)
	require.NoError(t, os.Chmod(path, 0))
	if os.Geteuid() == 0 {
		s.requireLogin(t, auth.Token(auth.File(path)))
		return
	}
	s.requireFailure(t, auth.Token(auth.File(path)), hush.ErrUnauthenticated, "is not readable by this process")
}
