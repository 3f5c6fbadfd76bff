package vault_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// hostile are names that try to leave the mount, in each spelling that some layer could
// decode.
var hostile = []string{
	"..", ".", "../x", "../../sys/mounts", "a/..", "a/../../../sys/mounts", "a/./b", "./a", "a/.", "/", "/a", "//a", "a//b", "a/", "a//",
	"/v1/sys/mounts", "../v1/sys/mounts", "..%2fsys", "%2e%2e/%2e%2e/sys/mounts", "..%2f..%2fsys%2fmounts", "%2e%2e%2fsys", ".%2e/sys",
	"%252e%252e/sys", "..%5csys", `..\..\sys`, `a\..\..\sys`, "..;/sys", "a?list=true", "a?version=1", "a#b", "a;b", "a%00b", "%2f", "%2F%2Fhost/x",
	"http://127.0.0.1:1/x", "//127.0.0.1:1/x", "a@127.0.0.1:1", "a:b", "a b", " a", "a ", "+", "a+b", "&version=1", "…", "．．/sys", "ａ", "‥/sys",
	"data/a", "metadata/a", "config", "delete/a", "...", "..a", "a..", "a/.../b", "-", "*", "~", "a=b", `"`, "'", "<a>", "{a}", "|", "^", "`",
	strings.Repeat("a/", 500) + "a", strings.Repeat("../", 500) + "sys", "a\u200bb", "\u202ea", "é", "e\u0301",
}

// elsewhere returns the requests that are not below the prefix, except those about the
// token or the mount itself.
func elsewhere(server *vaulttest.Server, prefix string) (out []string) {
	for _, call := range server.RecentCalls() {
		switch {
		case strings.HasPrefix(call.Path, prefix):
		case call.Path == "auth/token/lookup-self", call.Path == "sys/internal/ui/mounts/secret":
		default:
			out = append(out, call.Path)
		}
	}
	return out
}

// A name is that of one secret below the mount, or of none.
func TestNamesStayBelowTheMount(t *testing.T) {
	for engine, prefix := range map[vaulttest.Engine]string{vaulttest.KV2: "secret/data/", vaulttest.KV1: "secret/"} {
		server := startVault(t)
		server.Mount("secret", engine)
		k := kv{vault.New(server.Client(), nil), server}
		for _, name := range hostile {
			server.Put("secret", name, map[string]any{"name": name})
			before := len(server.RecentCalls())
			secret, err := k.Get(t.Context(), hush.Name(name))
			calls := server.RecentCalls()[before:]
			if hush.ClassOf(err) == hush.ErrRefused { // the server accepts only printable characters
				assert.Equal(t, prefix+name, calls[len(calls)-1].Path)
				continue
			}
			if err != nil {
				assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err), "%q: %v", name, err)
				assert.Empty(t, calls, "%q", name)
				continue
			}
			part, err := secret.Field("name")
			require.NoError(t, err)
			assert.Equal(t, name, part.Value.Reveal())
			assert.Equal(t, prefix+name, calls[len(calls)-1].Path)
		}
		assert.Empty(t, elsewhere(server, prefix), "of %s", engine)
	}
}

// The client or a server would change these names.
func TestInvalidNamesAreNotFound(t *testing.T) {
	k := newKV(t, 2)
	for _, name := range []string{"..", ".", "/", "/a", "a/", "a//b", "a/./b", "a/../b", "../sys/mounts", "a/..", "./a"} {
		k.requireFailure(t, hush.Name(name), hush.ErrNotFound, "invalid name of a secret")
	}
	assert.Zero(t, k.calls())
}

func FuzzNames(f *testing.F) {
	for _, name := range hostile {
		f.Add(name)
	}
	server, err := vaulttest.Start(nil)
	require.NoError(f, err)
	f.Cleanup(server.Close)
	p := vault.New(server.Client(), &vault.Options{KV: 2})
	reader := vault.NewReader(server.Client(), &vault.ReaderOptions{Mounts: []string{"secret"}})
	f.Fuzz(func(t *testing.T, name string) {
		_, err := p.Get(t.Context(), hush.Name(name))
		assert.Error(t, err)
		_, err = reader.Get(t.Context(), hush.Name(name))
		assert.Error(t, err)
		_, err = reader.Get(t.Context(), hush.Name("secret/"+name))
		assert.Error(t, err)
		assert.Empty(t, elsewhere(server, "secret/"), "%q", name)
	})
}

// apart are paths that a Reader never reads, in different spellings.
var apart = []string{
	"sys/mounts", "sys", "auth/token/lookup-self", "identity/entity", "cubbyhole/response", "SYS/mounts", "Sys/mounts", "ſys/mounts",
	"/sys/mounts", "//sys/mounts", "sys//mounts", "./sys/mounts", "db/../sys/mounts", "db/./../sys/mounts", "%73ys/mounts", "sys%2fmounts",
	"sys /mounts", " sys/mounts", "\u00a0sys/mounts", "v1/sys/mounts", "root/sys/mounts", "team/sys/mounts", "db/sys/mounts", "db/SYS/mounts",
	"db/auth/token/lookup-self", "db/team/sys/mounts", "db/a/b/Auth/token/lookup-self", "db/identity/entity", "db/cubbyhole/x", "db", "db/", "dbx/creds/app", "DB/creds/app", "db /creds/app",
	"other/creds/app", "..", "db/..", "db/../db/creds/app", "",
}

func TestReaderReadsOnlyBelowItsMounts(t *testing.T) {
	server := startVault(t)
	for _, mount := range []string{"db", "other"} {
		server.Mount(mount, vaulttest.Database)
		server.LeaseRole(mount, "app", nil)
	}
	reader := vault.NewReader(server.Client(), &vault.ReaderOptions{Mounts: []string{"/db/", "none"}})
	for _, path := range apart {
		_, err := reader.Get(t.Context(), hush.Name(path))
		assert.Contains(t, []hush.Class{hush.ErrDenied, hush.ErrNotFound, hush.ErrInvalidRef}, hush.ClassOf(err), "%q: %v", path, err)
	}
	_, err := reader.Get(t.Context(), hush.Name("other/creds/app"))
	assert.Equal(t, hush.ErrDenied, hush.ClassOf(err))
	assert.ErrorContains(t, err, "the path is not below a mount that may be read: db/, none/")
	_, err = reader.Get(t.Context(), hush.Name("db/sys/mounts"))
	assert.ErrorContains(t, err, `sys/ below "db/" is reserved for Vault itself`)
	_, err = vault.NewReader(server.Client(), nil).Get(t.Context(), hush.Name("db/creds/app"))
	assert.Equal(t, hush.ErrDenied, hush.ClassOf(err))
	assert.ErrorContains(t, err, "no path may be read: set ReaderOptions.Mounts")
	assert.Zero(t, server.Calls(vaulttest.Call{}))

	_, err = reader.Get(t.Context(), hush.Name("db/creds/app"))
	assert.NoError(t, err)
}
