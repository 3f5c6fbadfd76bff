package vault

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

type changing interface {
	api.AuthMethod
	changed() bool
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
	method := TokenFile(path).(changing)
	assert.False(t, method.changed(), "there is nothing to log in with")
	write(t, path, "", time.Hour)
	assert.False(t, method.changed(), "nor is there now")
	write(t, path, "one", time.Hour)
	assert.True(t, method.changed(), "there is a token")
	assert.True(t, method.changed(), "until it is taken")
	logIn(t, method)
	assert.False(t, method.changed())

	write(t, path+".tmp", "two", time.Hour)
	require.NoError(t, os.Rename(path+".tmp", path))
	assert.True(t, method.changed(), "another file of the same size and age")
	logIn(t, method)

	write(t, path, "three", time.Hour)
	assert.True(t, method.changed(), "another size")
	logIn(t, method)
	write(t, path, "other", 2*time.Hour)
	assert.True(t, method.changed(), "another time")
	logIn(t, method)
	write(t, path, "other\n", time.Minute)
	assert.False(t, method.changed(), "the same token, written again")
}

// While the file holds no token the last one goes on, and nobody logs in for it.
func TestTokenFileThatIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	write(t, path, "one", time.Hour)
	method := TokenFile(path).(changing)
	logIn(t, method)
	for _, text := range []string{"", "{", "tw\no"} {
		write(t, path, text, time.Minute)
		assert.False(t, method.changed(), "%q", text)
	}
	require.NoError(t, os.Remove(path))
	assert.False(t, method.changed())
	require.NoError(t, os.Mkdir(path, 0o700))
	assert.False(t, method.changed())
	require.NoError(t, os.Remove(path))
	write(t, path, "two", time.Minute)
	assert.True(t, method.changed())
}

// Two writes within the resolution of the file's time look alike.
func TestTokenFileThatWasJustWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	then := time.Now().Truncate(time.Second)
	method := TokenFile(path).(changing)
	for _, text := range []string{"one", "two", "six"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chtimes(path, then, then))
		assert.True(t, method.changed(), text)
		logIn(t, method)
		assert.False(t, method.changed(), text)
	}
}

// A file that is known not to have changed is not opened.
func TestTokenFileIsReadOnlyInDoubt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	write(t, path, "one", time.Hour)
	method := TokenFile(path).(changing)
	logIn(t, method)
	write(t, path, "two", time.Hour+time.Second)
	require.NoError(t, os.Chtimes(path, time.Time{}, method.(*tokenFile).last.info.ModTime()))
	assert.False(t, method.changed(), "in place, of the same size, with the time set back: only reading would tell")
}

func TestTokenFileIsSafeForConcurrentUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	write(t, path, "one", 0)
	method := TokenFile(path).(changing)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				_, err := method.Login(t.Context(), nil)
				assert.NoError(t, err)
				method.changed()
			}
		})
	}
	for i := range 50 {
		write(t, path+".tmp", []string{"one", "two"}[i%2], 0)
		assert.NoError(t, os.Rename(path+".tmp", path))
	}
	wg.Wait()
}

// dead is a server that is not there: what is looked up there fails after the token
// was found.
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
	method := TokenEnv("HUSHTEST_TOKEN").(changing)
	assert.False(t, method.changed())
	t.Setenv("HUSHTEST_TOKEN", "one\n")
	assert.True(t, method.changed())
	_, err := method.Login(t.Context(), dead(t))
	require.Error(t, err)
	assert.False(t, method.changed(), "it was used, if in vain")
	for _, text := range []string{"", " ", "o\nne"} {
		t.Setenv("HUSHTEST_TOKEN", text)
		assert.False(t, method.changed(), "%q", text)
	}
	t.Setenv("HUSHTEST_TOKEN", "two")
	assert.True(t, method.changed())
}

func TestClientTokenIsWatched(t *testing.T) {
	client := dead(t)
	method := &clientToken{client: client}
	assert.False(t, method.changed())
	_, err := method.Login(t.Context(), dead(t))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "set VAULT_TOKEN")

	client.SetToken("one")
	assert.True(t, method.changed())
	_, err = method.Login(t.Context(), dead(t))
	require.Error(t, err)
	assert.False(t, method.changed())
	client.SetToken("two")
	assert.True(t, method.changed())
	client.ClearToken()
	assert.True(t, method.changed(), "the program took it away")

	client.SetToken("canary\nhunter2")
	_, err = method.Login(t.Context(), dead(t))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err))
	assert.ErrorContains(t, err, "the client's token is more than one line")
	assert.NotContains(t, err.Error(), "hunter2")
	_, err = (&clientToken{client: client}).Login(t.Context(), nil)
	assert.Error(t, err)
}
