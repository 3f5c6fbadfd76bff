package cachettl

import (
	"context"
	"sync/atomic"

	"github.com/hush-secrets/hush"
)

// A Handle reads one secret repeatedly without a lookup. It holds no secret, so
// it does not return a secret that the cache has dropped.
type Handle struct {
	cache *Cache
	ref   hush.Ref
	fresh bool                  // ref is Fresh or NewerThan
	entry atomic.Pointer[entry] // the last entry found
}

// Handle returns a Handle for ref. It fetches nothing yet.
func (c *Cache) Handle(ref hush.Ref) *Handle {
	_, fresh := ref.Freshness()
	return &Handle{cache: c, ref: ref, fresh: fresh}
}

// Get returns what Cache.Get returns for the Handle's Ref.
func (h *Handle) Get(ctx context.Context) (hush.Secret, error) {
	r, err := h.get(ctx)
	if err != nil {
		return hush.Secret{}, err
	}
	secret, err := r.selectField(&h.ref)
	if err != nil {
		return hush.Secret{}, err
	}
	return *secret, nil
}

func (h *Handle) get(ctx context.Context) (*record, error) {
	if !h.fresh && ctx.Err() == nil {
		if r := h.cache.hit(h.entry.Load()); r != nil {
			return r, nil
		}
	}
	r, err := h.cache.get(ctx, &h.ref)
	h.entry.Store(h.cache.table.find(&h.ref))
	return r, err
}
