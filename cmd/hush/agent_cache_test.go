package main_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

func TestAgentCachesSecrets(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("one"))
	a := startAgent(t, vars)
	read := func(query string) any {
		t.Helper()
		got := a.ask(t, "GET", getPath+"db"+query)
		require.Equal(t, 200, got.status, got.body)
		return members(t, got)["SecretString"]
	}
	assert.Equal(t, "one", read(""))
	store.Rotate("db", []byte("two"))()
	assert.Equal(t, "one", read(""))
	assert.Equal(t, "one", read("&versionStage=AWSCURRENT"), "the same as without a stage")
	assert.Equal(t, 1, store.Calls(directtest.Call{}))
	assert.Equal(t, "two", read("&refreshNow=true"))
	assert.Equal(t, "two", read(""), "the fresh secret is in the cache")
	assert.Equal(t, 2, store.Calls(directtest.Call{}))
	assert.Zero(t, store.Calls(directtest.Call{Operation: "DescribeSecret"}))
}

func TestAgentTTL(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("one"))
	none := startAgent(t, vars, "--ttl", "0s")
	for i := range 3 {
		assert.Equal(t, 200, none.ask(t, "GET", getPath+"db").status)
		assert.Equal(t, i+1, store.Calls(directtest.Call{}))
	}

	short := startAgent(t, vars, "--ttl", "50ms")
	assert.Contains(t, short.ask(t, "GET", getPath+"db").body, "one")
	store.Rotate("db", []byte("two"))()
	requireEventually(t, "two", func() bool { return members(t, short.ask(t, "GET", getPath+"db"))["SecretString"] == "two" })

	// During an outage and during throttling, expired secrets are served.
	for _, fault := range []func() func(){
		store.Break, func() func() { return store.Fail(directtest.Failure{Code: "ThrottlingException"}) },
	} {
		restore := fault()
		stale := func() bool { return members(t, short.ask(t, "GET", getPath+"db"))["Stale"] != nil }
		requireEventually(t, "stale", stale)
		restore()
		requireEventually(t, "fresh", func() bool { return !stale() })
	}
}

func TestAgentCacheSize(t *testing.T) {
	store, vars := startStore(t)
	for i := range 3 {
		store.Put(strconv.Itoa(i), []byte("x"))
	}
	a := startAgent(t, vars, "--cache-size", "1")
	for range 2 {
		for i := range 3 {
			assert.Equal(t, 200, a.ask(t, "GET", getPath+strconv.Itoa(i)).status)
		}
	}
	assert.Equal(t, 6, store.Calls(directtest.Call{}))
}

func TestAgentSharesOneCallAmongClients(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("x"))
	a := startAgent(t, vars)
	release := store.Hang()
	defer release()
	var answers []<-chan reply
	for range 20 {
		answers = append(answers, a.start(t, getPath+"db"))
	}
	requireEventually(t, "the store gets a request", func() bool { return store.Calls(directtest.Call{}) > 0 })
	release()
	for _, answer := range answers {
		assert.Equal(t, 200, (<-answer).status)
	}
	assert.Equal(t, 1, store.Calls(directtest.Call{}))
}

func TestAgentPathPrefix(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("x"))
	a := startAgent(t, vars, "--path-prefix", "/secrets/")
	assert.Equal(t, 200, a.ask(t, "GET", "/secrets/db").status)
	assert.Equal(t, 404, a.ask(t, "GET", "/v1/db").status)
}

// Each client requests another name and closes its connection at once.
func TestAgentLimitsCallsForClosedConnections(t *testing.T) {
	const limit = 64 // cache.max_fetches
	store, vars := startStore(t)
	store.Put("db", []byte("one"))
	a := startAgent(t, vars)
	require.Equal(t, 200, a.ask(t, "GET", getPath+"db").status)
	release := store.Hang()
	defer release()
	const names = 10 * limit
	for i := range names {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, "GET /v1/junk-%d HTTP/1.1\r\nHost: x\r\nX-Vault-Token: %s\r\n\r\n", i, agentToken)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	requested := func() (n int) { // without retries
		for i := range names {
			n += min(1, store.Calls(directtest.Call{Name: fmt.Sprint("junk-", i)}))
		}
		return n
	}
	requireEventually(t, "the calls are in flight", func() bool { return requested() >= limit })
	for range 100 {
		require.Equal(t, 200, a.ask(t, "GET", getPath+"db").status, "a hit does not wait")
	}
	assert.Equal(t, limit, requested())
	release()
	store.Put("new", []byte("two"))
	assert.Equal(t, 200, a.ask(t, "GET", getPath+"new").status)
}

// The variable is invalid, which does not matter.
func TestAgentFlagsOverrideVariables(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte("x"))
	a := startAgent(t, append(vars, "HUSH_CACHE_TTL=none"), "--ttl", "5m")
	assert.Equal(t, 200, a.ask(t, "GET", getPath+"db").status)
}
