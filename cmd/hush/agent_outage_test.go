package main_test

import (
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The store is available again while its breaker is still open. The agent serves secrets
// that are not in its cache.
func TestAgentRecoversAfterOutage(t *testing.T) {
	store, vars := startStore(t)
	for i := range 50 {
		store.Put(fmt.Sprint("db", i), []byte("hunter2"))
	}
	vars = append(vars, "HUSH_BREAKER_WAIT=1h", "HUSH_BREAKER_MAX_WAIT=1h")
	a := startAgent(t, vars)
	restore := store.Break()
	for i := range 6 {
		require.Equal(t, 503, a.ask(t, "GET", getPath+url.QueryEscape(fmt.Sprint("missing", i))).status)
	}
	restore()
	statuses := make([]int, 50)
	var burst sync.WaitGroup
	for i := range statuses {
		burst.Go(func() { statuses[i] = a.ask(t, "GET", getPath+fmt.Sprint("db", i)).status })
	}
	burst.Wait()
	for _, status := range statuses {
		assert.Equal(t, 200, status)
	}
}
