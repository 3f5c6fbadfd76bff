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
	answer := a.start(t, getPath+"db")
	requireEventually(t, "the store gets a request", func() bool { return store.Calls(directtest.Call{}) > 0 })

	a.signal(t, s)
	a.requireStderr(t, "finishing the requests in flight")
	requireEventually(t, "it takes no more connections", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	release()
	assert.Contains(t, (<-answer).body, "hunter2")
	assert.Equal(t, 0, a.waitExit(t), a.stderr)
	rest, err := a.stdout.ReadString('\n')
	assert.Error(t, err)
	assert.Empty(t, rest, "one line is all on the standard output")
}

func TestAgentStopsAtSecondSignal(t *testing.T) {
	store, vars := startStore(t)
	release := store.Hang()
	defer release()
	a := startAgent(t, vars)
	hold(t, a, store)
	a.signal(t, syscall.SIGTERM)
	a.requireStderr(t, "finishing the requests in flight")
	a.signal(t, os.Interrupt)
	assert.Equal(t, 130, a.waitExit(t))
	a.requireStderr(t, "a second signal")
}

// Two signals are one stop if they arrive within a short time, which one of several tries
// achieves even on a busy machine.
func TestAgentTreatsRepeatedStopAsOne(t *testing.T) {
	store, vars := startStore(t)
	code := -1
	for tries := 0; tries < 5 && code != 0; tries++ {
		release := store.Hang()
		a := startAgent(t, vars)
		hold(t, a, store)
		a.signal(t, syscall.SIGTERM)
		a.requireStderr(t, "finishing the requests in flight")
		a.signal(t, syscall.SIGTERM)
		select {
		case <-a.ended: // this try was too slow
		case <-time.After(500 * time.Millisecond):
		}
		release()
		code = a.waitExit(t)
	}
	assert.Zero(t, code)
}

// hold makes the agent call the store, and ignores the result.
func hold(t *testing.T, a *agentProcess, store *directtest.Server) {
	t.Helper()
	before, request := store.Calls(directtest.Call{}), a.request(t, "GET", getPath+"db")
	go func() { _, _ = try(&http.Transport{DisableKeepAlives: true}, request) }()
	requireEventually(t, "the store gets a request", func() bool { return store.Calls(directtest.Call{}) > before })
}

func TestAgentClearsCacheOnHangup(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("one"))
	a := startAgent(t, vars)
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "one")
	store.Rotate("db", []byte("two"))()
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "one")
	a.signal(t, syscall.SIGHUP)
	a.requireStderr(t, "cleared the cache")
	assert.Contains(t, a.ask(t, "GET", "/v1/db").body, "two")
	assert.Equal(t, 2, store.Calls(directtest.Call{}))
}

func TestAgentWarnsOfReadableTokenFile(t *testing.T) {
	path := write(t, agentToken)
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o440: false, 0o640: false, 0o644: true, 0o604: true} {
		require.NoError(t, os.Chmod(path, mode))
		a := startAgent(t, nil, append([]string{"--allow", "x", "--token-file", path}, overEnv...)...)
		text := a.stopAndReadStderr()
		assert.Equal(t, warned, strings.Contains(text, "every user of this machine can read the token"), "%o", mode)
		assert.NotContains(t, text, agentToken)
	}
}

func TestAgentRejectsUntrustedTokenFile(t *testing.T) {
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
// agent checks the file itself, not its directory or a link that leads to it.
func TestAgentReadsTokenFromSharedVolume(t *testing.T) {
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

// root can write to a read-only directory, so that the test also checks its time.
func TestAgentReadsTokenFromReadOnlyVolume(t *testing.T) {
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

func TestAgentCreatesNoTokenThroughLink(t *testing.T) {
	dir := t.TempDir()
	elsewhere, link := filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(elsewhere, link))
	got := hush(t, nil, append([]string{"agent", "--addr", "127.0.0.1:0", "--token-file", link}, overEnv...)...)
	assert.Equal(t, 2, got.code, got.stderr)
	assert.NoFileExists(t, elsewhere)
}

// Idle connections use most files. The agent then opens a connection to the store for
// each of its clients.
func TestAgentServesWithFewFileDescriptors(t *testing.T) {
	store, vars := startStore(t)
	command := append([]string{"sh", "-c", `ulimit -n 256 && exec "$@"`, "sh"}, agentCommand(t)...)
	a := startCommand(t, t.TempDir(), vars, command...)
	a.requireStderr(t, "the limit of open files allows 96 connections instead of 3200")
	for range 300 {
		idle, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, idle.Close()) })
	}
	release := store.Hang()
	defer release()
	var responses []<-chan reply
	for i := range 50 {
		name := fmt.Sprint("db", i)
		store.Put(name, []byte("x"))
		responses = append(responses, a.start(t, getPath+name))
	}
	requireEventually(t, "all stores' calls are in flight", func() bool { return store.Calls(directtest.Call{}) == 50 })
	assert.Equal(t, "healthy", a.ask(t, "GET", "/ping").body)
	release()
	for _, response := range responses {
		assert.Equal(t, 200, (<-response).status)
	}
}
