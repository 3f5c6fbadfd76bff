//go:build unix

package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
	a.says(t, "finishing the requests in flight")
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
	hold(t, a, store)
	a.signal(t, syscall.SIGTERM)
	a.says(t, "finishing the requests in flight")
	a.signal(t, os.Interrupt)
	assert.Equal(t, 130, a.exit(t))
	a.says(t, "a second signal")
}

// TestAgentTakesOneStopForOne that comes twice, which is the case if it comes at once:
// one of several tries is quick even on a busy machine.
func TestAgentTakesOneStopForOne(t *testing.T) {
	store, vars := startStore(t)
	code := -1
	for tries := 0; tries < 5 && code != 0; tries++ {
		release := store.Hang()
		a := startAgent(t, vars)
		hold(t, a, store)
		a.signal(t, syscall.SIGTERM)
		a.says(t, "finishing the requests in flight")
		a.signal(t, syscall.SIGTERM)
		select {
		case <-a.ended: // the second has ended it
		case <-time.After(500 * time.Millisecond):
		}
		release()
		code = a.exit(t)
	}
	assert.Zero(t, code)
}

// hold has the agent ask the store, with what comes of it left alone.
func hold(t *testing.T, a *running, store *directtest.Server) {
	t.Helper()
	before, request := store.Calls(directtest.Call{}), a.request(t, "GET", getPath+"db")
	go func() { _, _ = try(&http.Transport{DisableKeepAlives: true}, request) }()
	eventually(t, "the store is asked", func() bool { return store.Calls(directtest.Call{}) > before })
}

func TestAgentForgetsAtHangup(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("one"))
	a := startAgent(t, vars)
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "one")
	store.Rotate("db", []byte("two"))()
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "one")
	a.signal(t, syscall.SIGHUP)
	a.says(t, "cleared the cache")
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "two")
	assert.Equal(t, 2, store.Calls(directtest.Call{}))
}

func TestAgentAndWhoCanReadItsToken(t *testing.T) {
	path := write(t, agentToken)
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o440: false, 0o640: false, 0o644: true, 0o604: true} {
		require.NoError(t, os.Chmod(path, mode))
		a := startAgent(t, nil, append([]string{"--allow", "x", "--token-file", path}, overEnv...)...)
		text := a.all()
		assert.Equal(t, warned, strings.Contains(text, "every user of this machine can read the token"), "%o", mode)
		assert.NotContains(t, text, agentToken)
	}
}

// TestAgentRefusesATokenOfOthers who may have written it.
func TestAgentRefusesATokenOfOthers(t *testing.T) {
	path := write(t, agentToken)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(path, link))
	refused := func(want string) {
		t.Helper()
		for vars, args := range map[string][]string{"AWS_TOKEN=file://" + path: nil, "AWS_TOKEN=file://" + link: nil, "X=": {"--token-file", path}} {
			got := hush(t, []string{vars}, append(append([]string{"agent", "--addr", "127.0.0.1:0"}, overEnv...), args...)...)
			assert.Equal(t, 2, got.code)
			assert.Contains(t, got.stderr, want)
			assert.Empty(t, got.stdout)
		}
	}
	for _, mode := range []os.FileMode{0o660, 0o602} {
		require.NoError(t, os.Chmod(path, mode))
		refused("can be written by other users")
	}
	require.NoError(t, os.Chmod(path, 0o600))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(path, 1, 0))
		refused("belongs to another user")
		require.NoError(t, os.Chown(path, 0, 0))
	}
}

// A container mounts the token from a shared volume that all users can write. The
// token file itself decides, and not its directory or a link that leads to it.
func TestAgentReadsItsTokenFromASharedVolume(t *testing.T) {
	path := write(t, agentToken)
	dir := filepath.Dir(path)
	require.NoError(t, os.Chmod(dir, 0o777))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(path, link))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Lchown(link, 1, 0))
	}
	for _, file := range []string{path, link} {
		a := startAgent(t, []string{"APP_DB=x"}, append([]string{"--token-file", file}, overEnv...)...)
		assert.Equal(t, 200, a.ask(t, "GET", "/v1/db").status)
	}
}

// TestAgentReadsItsTokenWhereNothingCanBeWritten has a volume that is read-only, which
// the superuser does not notice but by its time.
func TestAgentReadsItsTokenWhereNothingCanBeWritten(t *testing.T) {
	path := write(t, agentToken)
	dir, then := filepath.Dir(path), time.Unix(1e9, 0)
	require.NoError(t, os.Chmod(dir, 0o500))
	require.NoError(t, os.Chtimes(dir, then, then))
	t.Cleanup(func() { assert.NoError(t, os.Chmod(dir, 0o700)) })
	a := startAgent(t, []string{"APP_DB=x"}, append([]string{"--token-file", path}, overEnv...)...)
	assert.Equal(t, 200, a.ask(t, "GET", "/v1/db").status)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, then, info.ModTime())
}

func TestAgentMakesNoTokenThroughALink(t *testing.T) {
	dir := t.TempDir()
	elsewhere, link := filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(elsewhere, link))
	got := hush(t, nil, append([]string{"agent", "--addr", "127.0.0.1:0", "--token-file", link}, overEnv...)...)
	assert.Equal(t, 2, got.code, got.stderr)
	assert.NoFileExists(t, elsewhere)
}

// TestAgentOutOfFiles has idle connections of others, and few files. The agent then
// opens a connection to the store for each of its clients.
func TestAgentOutOfFiles(t *testing.T) {
	store, vars := startStore(t)
	command := append([]string{"sh", "-c", `ulimit -n 256 && exec "$@"`, "sh"}, agentCommand(t)...)
	a := startCommand(t, t.TempDir(), vars, command...)
	a.says(t, "the limit of open files allows 96 connections instead of 3200")
	for range 300 {
		idle, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, idle.Close()) })
	}
	release := store.Hang()
	defer release()
	var responses []<-chan exchange
	for i := range 50 {
		name := fmt.Sprint("db", i)
		store.Put(name, []byte("x"))
		responses = append(responses, a.begin(t, getPath+name))
	}
	eventually(t, "all stores' calls are in flight", func() bool { return store.Calls(directtest.Call{}) == 50 })
	assert.Equal(t, "healthy", a.ask(t, "GET", "/ping").body)
	release()
	for _, response := range responses {
		assert.Equal(t, 200, (<-response).status)
	}
}
