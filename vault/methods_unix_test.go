//go:build unix

package vault_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
)

// A FIFO without a writer would hold the login for ever.
func TestCredentialInAFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	s := newLoginServer(t)
	s.refuses(t, vault.TokenFile(path), hush.ErrUnauthenticated, "a pipe")
	s.refuses(t, vault.AppRole(&vault.AppRoleOptions{RoleID: "r", SecretIDFile: path}), hush.ErrUnauthenticated, "a pipe")
	s.refuses(t, vault.Kubernetes("r", &vault.JWTOptions{JWTFile: path}), hush.ErrUnauthenticated, "a pipe")
}

// The superuser may read everything, so both outcomes have their check.
func TestCredentialThatMayNotBeRead(t *testing.T) {
	s := newLoginServer(t)
	path := newFile(t, loginCanary)
	require.NoError(t, os.Chmod(path, 0))
	if os.Geteuid() == 0 {
		s.logsIn(t, vault.TokenFile(path))
		return
	}
	s.refuses(t, vault.TokenFile(path), hush.ErrUnauthenticated, "may not be read by this process")
}
