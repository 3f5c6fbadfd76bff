package cachettl

import (
	"context"
	"sync/atomic"

	"github.com/hush-secrets/hush"
)

// A Handle reads one secret repeatedly without a lookup. It holds no secret: what
// the cache drops, a Handle does not return.
type Handle struct {
	cache *Cache
	ref   hush.Ref
	entry atomic.Pointer[entry] // the last one found
}

// Handle returns a Handle for ref. It fetches nothing yet.
func (c *Cache) Handle(ref hush.Ref) *Handle { return &Handle{cache: c, ref: ref} }

// Get returns what Cache.Get returns for the Handle's Ref.
func (h *Handle) Get(ctx context.Context) (hush.Secret, error) {
	if e := h.entry.Load(); e != nil && ctx.Err() == nil {
		if _, fresh := h.ref.Freshness(); !fresh {
			if r := h.cache.hit(e); r != nil {
				return r.selectField(&h.ref)
			}
		}
	}
	secret, err := h.cache.Get(ctx, h.ref)
	h.entry.Store(h.cache.table.find(&h.ref))
	return secret, err
}
