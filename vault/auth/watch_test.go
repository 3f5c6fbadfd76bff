package auth_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watch returns the method of a token as package vault uses it.
func watch(t *testing.T, c auth.Credential) vault.TokenWatcher {
	t.Helper()
	watcher, ok := auth.Token(c).(vault.TokenWatcher)
	require.True(t, ok)
	return watcher
}

func write(t *testing.T, path, text string, age time.Duration) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	then := time.Now().Add(-age).Truncate(time.Second)
	require.NoError(t, os.Chtimes(path, then, then))
}

func logIn(t *testing.T, method api.AuthMethod) {
	t.Helper()
	_, err := method.Login(t.Context(), nil)
	require.NoError(t, err)
}

func TestTokenFileIsWatched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	method := watch(t, auth.File(path))
	assert.False(t, method.TokenChanged(), "there is no token")
	write(t, path, "", time.Hour)
	assert.False(t, method.TokenChanged(), "the file is empty")
	write(t, path, "one", time.Hour)
	assert.True(t, method.TokenChanged(), "there is a token")
	assert.True(t, method.TokenChanged(), "until the next login")
	logIn(t, method)
	assert.False(t, method.TokenChanged())

	write(t, path+".tmp", "two", time.Hour)
	require.NoError(t, os.Rename(path+".tmp", path))
	assert.True(t, method.TokenChanged(), "a new file of the same size and time")
	logIn(t, method)

	write(t, path, "three", time.Hour)
	assert.True(t, method.TokenChanged(), "a new size")
	logIn(t, method)
	write(t, path, "other", 2*time.Hour)
	assert.True(t, method.TokenChanged(), "a new time")
	logIn(t, method)
	write(t, path, "other\n", time.Minute)
	assert.False(t, method.TokenChanged(), "the same token, written again")
}

// The last token stays in use, without a login.
func TestTokenFileWithoutATokenIsNotAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	write(t, path, "one", time.Hour)
	method := watch(t, auth.File(path))
	logIn(t, method)
	for _, text := range []string{"", "{", "tw\no"} {
		write(t, path, text, time.Minute)
		assert.False(t, method.TokenChanged(), "%q", text)
	}
	require.NoError(t, os.Remove(path))
	assert.False(t, method.TokenChanged())
	require.NoError(t, os.Mkdir(path, 0o700))
	assert.False(t, method.TokenChanged())
	require.NoError(t, os.Remove(path))
	write(t, path, "two", time.Minute)
	assert.True(t, method.TokenChanged())
}

// Two writes within the resolution of the file's times are not distinguishable.
func TestTokenFileIsReadAgainShortlyAfterAWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	then := time.Now().Truncate(time.Second)
	method := watch(t, auth.File(path))
	for _, text := range []string{"one", "two", "six"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chtimes(path, then, then))
		assert.True(t, method.TokenChanged(), text)
		logIn(t, method)
		assert.False(t, method.TokenChanged(), text)
	}
}

func TestUnchangedTokenFileIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	write(t, path, "one", time.Hour)
	info, err := os.Stat(path)
	require.NoError(t, err)
	method := watch(t, auth.File(path))
	logIn(t, method)
	write(t, path, "two", time.Hour+time.Second)
	require.NoError(t, os.Chtimes(path, time.Time{}, info.ModTime()))
	assert.False(t, method.TokenChanged(), "only a read would show the change: the size and the time are the same")
}

func TestTokenFileIsSafeForConcurrentUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	write(t, path, "one", 0)
	method := watch(t, auth.File(path))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				_, err := method.Login(t.Context(), nil)
				assert.NoError(t, err)
				method.TokenChanged()
			}
		})
	}
	for i := range 50 {
		write(t, path+".tmp", []string{"one", "two"}[i%2], 0)
		assert.NoError(t, os.Rename(path+".tmp", path))
	}
	wg.Wait()
}

// dead returns a client of an unreachable address, whose lookups fail.
func dead(t *testing.T) *api.Client {
	t.Helper()
	config := api.DefaultConfig()
	config.Address, config.MaxRetries = "http://127.0.0.1:1", 0
	client, err := api.NewClient(config)
	require.NoError(t, err)
	client.ClearToken()
	return client
}

func TestTokenEnvIsWatched(t *testing.T) {
	method := watch(t, auth.Env("HUSHTEST_TOKEN"))
	assert.False(t, method.TokenChanged())
	t.Setenv("HUSHTEST_TOKEN", "one\n")
	assert.True(t, method.TokenChanged())
	_, err := method.Login(t.Context(), dead(t))
	require.Error(t, err)
	assert.False(t, method.TokenChanged(), "the token was used, although the login failed")
	for _, text := range []string{"", " ", "o\nne"} {
		t.Setenv("HUSHTEST_TOKEN", text)
		assert.False(t, method.TokenChanged(), "%q", text)
	}
	t.Setenv("HUSHTEST_TOKEN", "two")
	assert.True(t, method.TokenChanged())
}
