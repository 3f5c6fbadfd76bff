package env_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/providertest"
)

const limit = 1 << 20

func TestFileIsReadByteForByte(t *testing.T) {
	unset(t, "HUSHTEST_DB")
	p := env.New(&env.Options{Files: true})
	for _, content := range [][]byte{
		[]byte("hunter2\n"), []byte("hunter2\r\n"), []byte(" hunter2"), []byte("\ufeffhunter2"), {0, 0xff, '\n'}, {}, bytes.Repeat([]byte("x"), limit),
	} {
		file(t, "HUSHTEST_DB_FILE", content)
		got, err := p.Get(t.Context(), hush.Name("hushtest/db"))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(content, got.Value.RevealBytes()), "%d bytes came as %d", len(content), got.Value.Len())
	}
}

func TestFileIsReadAgain(t *testing.T) {
	unset(t, "HUSHTEST_DB")
	path := file(t, "HUSHTEST_DB_FILE", []byte("old"))
	p := env.New(&env.Options{Files: true})
	for _, want := range []string{"old", "new"} {
		// As the kubelet does: a new file replaces the old one.
		require.NoError(t, os.WriteFile(path+".next", []byte(want), 0o600))
		require.NoError(t, os.Rename(path+".next", path))
		got, err := p.Get(t.Context(), hush.Name("hushtest/db").Fresh())
		require.NoError(t, err)
		assert.Equal(t, want, got.Value.Reveal())
	}
}

func TestFileOfAnAlias(t *testing.T) {
	unset(t, "hushtest_main")
	file(t, "hushtest_main_FILE", []byte("aliased"))
	p := env.New(&env.Options{Files: true, Prefix: "X_", Aliases: map[string]string{"db": "hushtest_main"}})
	got, err := p.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "aliased", got.Value.Reveal())
}

func TestFilesAreOffByDefault(t *testing.T) {
	unset(t, "HUSHTEST_DB")
	file(t, "HUSHTEST_DB_FILE", []byte("not asked for"))
	_, err := env.New(nil).Get(t.Context(), hush.Name("hushtest/db"))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	assert.NotContains(t, err.Error(), "_FILE")
}

func TestInvalidFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	// No error quotes the path, which may be a secret in the wrong variable.
	const canary = "hunter2-canary"
	for name, c := range map[string]struct {
		path  string
		class hush.Class
		says  string
	}{
		"missing":      {filepath.Join(dir, "no", canary), hush.ErrUnavailable, "does not exist"},
		"a password":   {canary, hush.ErrUnavailable, "does not exist"},
		"directory":    {dir, hush.ErrUnavailable, "not a regular file"},
		"device":       {os.DevNull, hush.ErrUnavailable, "not a regular file"},
		"below a file": {filepath.Join(write("file", nil), canary), hush.ErrUnavailable, ""},
		"too large":    {write(canary, bytes.Repeat([]byte("x"), limit+1)), hush.ErrUnavailable, "limit of 1048576 bytes"},
		"too long":     {strings.Repeat(canary, 1000), hush.ErrUnavailable, ""},
		"no path":      {"", hush.ErrUnavailable, "set it to the path of a file"},
	} {
		t.Run(name, func(t *testing.T) {
			unset(t, "HUSHTEST_DB")
			t.Setenv("HUSHTEST_DB_FILE", c.path)
			secret, err := env.New(&env.Options{Files: true}).Get(t.Context(), hush.Name("hushtest/db"))
			require.Error(t, err)
			assert.Equal(t, c.class, hush.ClassOf(err), "%v", err)
			assert.ErrorContains(t, err, `"HUSHTEST_DB_FILE"`)
			assert.ErrorContains(t, err, c.says)
			assert.Empty(t, providertest.Leaks(err, canary, dir))
			assert.True(t, secret.Equal(hush.Secret{}))
		})
	}
}

func TestBothSet(t *testing.T) {
	t.Setenv("HUSHTEST_DB", "")
	file(t, "HUSHTEST_DB_FILE", []byte("x"))
	_, err := env.New(&env.Options{Files: true}).Get(t.Context(), hush.Name("hushtest/db"))
	assert.EqualError(t, err,
		`env: "hushtest/db": unavailable: both "HUSHTEST_DB" and "HUSHTEST_DB_FILE" are set; unset one of them`)

	_, err = env.New(nil).Get(t.Context(), hush.Name("hushtest/db"))
	assert.NoError(t, err, "without Files, the second variable has no meaning")
}

func TestNeitherSet(t *testing.T) {
	unset(t, "HUSHTEST_DB")
	unset(t, "HUSHTEST_DB_FILE")
	_, err := env.New(&env.Options{Files: true}).Get(t.Context(), hush.Name("hushtest/db"))
	assert.EqualError(t, err, `env: "hushtest/db": not found: neither "HUSHTEST_DB" nor "HUSHTEST_DB_FILE" is set`)
}
