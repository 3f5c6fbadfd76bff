package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault/auth"
)

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func newFile(t *testing.T, text string) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "credential"), text)
}

func TestTokenFileIsReadForEachLogin(t *testing.T) {
	s := newLoginServer(t)
	path := filepath.Join(t.TempDir(), "sink")
	method := auth.Token(auth.File(path))
	s.requireFailure(t, method, hush.ErrUnauthenticated, "does not exist")
	for _, text := range []string{"first-" + loginCanary, "second-" + loginCanary + "\r\n"} {
		writeFile(t, path+".tmp", text)
		require.NoError(t, os.Rename(path+".tmp", path))
		secret, err := method.Login(t.Context(), s.client)
		require.NoError(t, err)
		want := &api.Secret{Auth: &api.SecretAuth{ClientToken: strings.TrimSpace(text)}}
		assert.Equal(t, want, secret, "without a TTL: the agent renews the token")
	}
	assert.Empty(t, s.asked(""))
}

// faultyFiles returns files without a valid credential, and the reason in the error.
func faultyFiles(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	// A link without an end.
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink(loop, loop))
	return map[string]string{
		filepath.Join(dir, "missing"):            "does not exist",
		filepath.Join(newFile(t, ""), "below"):   "cannot be read: ",
		loop:                                     "cannot be read: ",
		dir:                                      "is a directory",
		os.DevNull:                               "a device",
		"\x00":                                   "cannot be read: ",
		newFile(t, ""):                           "is empty",
		newFile(t, " \r\n"):                      "is empty",
		newFile(t, loginCanary+"\n"+loginCanary): "not a single line of text",
		newFile(t, loginCanary+"\xff\xfe"):       "not a single line of text",
		newFile(t, strings.Repeat(loginCanary, 1+65536/14)):        "the limit of 65536 bytes",
		newFile(t, strings.Repeat("\n", 65536)+loginCanary+"\n\n"): "the limit of 65536 bytes",
	}
}

func TestInvalidFilesAreRejected(t *testing.T) {
	s := newLoginServer(t)
	for path, says := range faultyFiles(t) {
		s.requireFailure(t, auth.Token(auth.File(path)), hush.ErrUnauthenticated, says)
		s.requireFailure(t, auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.File(path)}), hush.ErrUnauthenticated, says)
		s.requireFailure(t, auth.AppRole("r", &auth.AppRoleOptions{SecretID: auth.File(path), Wrapped: true}), hush.ErrUnauthenticated, says)
		s.requireFailure(t, auth.Kubernetes("r", &auth.JWTOptions{JWT: auth.File(path)}), hush.ErrUnauthenticated, says)
		s.requireFailure(t, auth.JWT("r", &auth.JWTOptions{JWT: auth.File(path)}), hush.ErrUnauthenticated, says)
	}
	assert.Empty(t, s.asked(""))
}

func TestWrappedSinkIsRejected(t *testing.T) {
	s := newLoginServer(t)
	path := newFile(t, `{"token":"canary-hunter2","accessor":"","ttl":300,"creation_path":"sys/wrapping/wrap"}`)
	s.requireFailure(t, auth.Token(auth.File(path)), hush.ErrUnauthenticated, "a sink with wrap_ttl or dh_type")
	s.requireFailure(t, auth.Token(auth.File("")), hush.ErrUnauthenticated, "the file with the token has no name")
}

// An error quotes a path, but not a credential in place of a path.
func TestErrorsQuoteOnlyAbsolutePaths(t *testing.T) {
	s := newLoginServer(t)
	_, err := auth.Token(auth.File(loginCanary)).Login(t.Context(), s.client)
	assert.EqualError(t, err, "vault: unauthenticated: the file with the token does not exist")
	assert.Empty(t, providertest.Leaks(err, loginCanary))
	path := filepath.Join(t.TempDir(), "missing")
	_, err = auth.Token(auth.File(path)).Login(t.Context(), s.client)
	assert.ErrorContains(t, err, path)
}
