//go:build unix

package main_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

func TestAgentFinishesRequests(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(s.String(), func(t *testing.T) { testFinishes(t, s) })
	}
}

func testFinishes(t *testing.T, s os.Signal) {
	store, vars := startStore(t)
	store.Put("db", []byte("hunter2"))
	a := startAgent(t, vars)
	release := store.Hang()
	defer release()
	answer := a.begin(t, getPath+"db")
	eventually(t, "the store is asked", func() bool { return store.Calls(directtest.Call{}) > 0 })

	a.signal(t, s)
	a.says(t, "finishing the requests under way")
	eventually(t, "it takes no more connections", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	release()
	assert.Contains(t, (<-answer).body, "hunter2")
	assert.Equal(t, 0, a.exit(t), a.stderr)
	rest, err := a.stdout.ReadString('\n')
	assert.Error(t, err)
	assert.Empty(t, rest, "one line is all on the standard output")
}

func TestAgentEndsAtTheSecondSignal(t *testing.T) {
	store, vars := startStore(t)
	release := store.Hang()
	defer release()
	a := startAgent(t, vars)
	request := a.request(t, "GET", getPath+"db")
	go func() { // which comes to nothing
		_, _ = try(&http.Transport{DisableKeepAlives: true}, request)
	}()
	eventually(t, "the store is asked", func() bool { return store.Calls(directtest.Call{}) > 0 })
	a.signal(t, syscall.SIGTERM)
	a.says(t, "finishing the requests under way")
	a.signal(t, os.Interrupt)
	assert.Equal(t, 130, a.exit(t))
	a.says(t, "a second signal")
}

func TestAgentForgetsAtHangup(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("one"))
	a := startAgent(t, vars)
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "one")
	store.Rotate("db", []byte("two"))()
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "one")
	a.signal(t, syscall.SIGHUP)
	a.says(t, "forgotten")
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "two")
	assert.Equal(t, 2, store.Calls(directtest.Call{}))
}

func TestAgentWarnsOfATokenThatAllCanRead(t *testing.T) {
	path := write(t, agentToken)
	require.NoError(t, os.Chmod(path, 0o644))
	a := startAgent(t, nil, append([]string{"--token-file", path}, overEnv...)...)
	a.says(t, "every user of this machine can read the token")
	assert.NotContains(t, a.stderr.String(), agentToken)
}

func TestAgentMakesNoTokenThroughALink(t *testing.T) {
	dir := t.TempDir()
	elsewhere, link := filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(elsewhere, link))
	got := hush(t, nil, append([]string{"agent", "--addr", "127.0.0.1:0", "--token-file", link}, overEnv...)...)
	assert.Equal(t, 2, got.code, got.stderr)
	assert.NoFileExists(t, elsewhere)
}
