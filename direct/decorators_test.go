package direct_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
)

// TestBatchThroughCacheAndChain sees one call for a GetAll through decorators.
func TestBatchThroughCacheAndChain(t *testing.T) {
	server := start(t)
	refs := put(server, 20)
	links := []chain.Link{{Name: "store", Provider: direct.New(server.Client(once), batches)}, {Name: "none", Provider: hush.Static(nil)}}
	cache := cachettl.New(chain.New(links, nil), time.Minute, &cachettl.Options{FetchTimeout: time.Minute})
	defer func() { assert.NoError(t, cache.Close()) }()
	for range 2 {
		for _, r := range hush.GetAll(t.Context(), cache, append(refs, hush.Name("db/0"))...) {
			assert.NoError(t, r.Err)
			assert.Equal(t, "store", r.Secret.Source)
		}
	}
	assert.Equal(t, 1, server.Calls(directtest.Call{}), "two reads of 21 references to 20 secrets")
}
