package cachettl

import (
	"context"
	"sync/atomic"

	"github.com/hush-secrets/hush"
)

// A Handle reads one secret again and again without looking it up. It holds
// nothing of its own: what the cache forgets, a Handle does not know.
type Handle struct {
	cache *Cache
	ref   hush.Ref
	entry atomic.Pointer[entry] // where the secret was last found
}

// Handle returns a Handle for ref. It fetches nothing yet.
func (c *Cache) Handle(ref hush.Ref) *Handle { return &Handle{cache: c, ref: ref} }

// Get returns what Cache.Get returns for the Handle's Ref.
func (h *Handle) Get(ctx context.Context) (hush.Secret, error) {
	if e := h.entry.Load(); e != nil && ctx.Err() == nil {
		if _, fresh := h.ref.Freshness(); !fresh {
			if held := h.cache.live(e); held != nil {
				return held.pick(h.ref)
			}
		}
	}
	secret, err := h.cache.Get(ctx, h.ref)
	h.entry.Store(h.cache.table.find(&h.ref))
	return secret, err
}
