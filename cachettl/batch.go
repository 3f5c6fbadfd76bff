package cachettl

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/parallel"
)

const (
	concurrentGets = 8
	// maxBatch is the maximum of Secrets Manager. A batch has the time of one fetch,
	// so its size must not grow with the number of refs.
	maxBatch = 20
)

var _ hush.BatchProvider = (*Cache)(nil)

// GetBatch returns for each of refs what Get returns: at once for the secrets in
// memory, then eight at a time for the others. If next is a hush.BatchProvider, as
// every decorator is, the cache requests up to 20 secrets in one call: those that are
// neither cached nor being fetched. Each of them is the one fetch for its key, which
// other Gets join. FetchTimeout is then the limit for the batch.
func (c *Cache) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	for missed := range slices.Chunk(c.getCached(ctx, refs, results), maxBatch) {
		started := c.startBatch(ctx, refs, missed)
		parallel.Each(len(missed), concurrentGets, func(i int) {
			var r *record
			var err error
			ref := &refs[missed[i]]
			if get := started[i]; get.req != nil {
				r, err = c.follow(ctx, get.req, get.step)
			} else {
				r, err = c.get(ctx, ref)
			}
			results[missed[i]] = r.result(ref, err)
		})
	}
	return results
}

// getCached sets the results of those of refs that are hits. It returns the indices
// of the others.
func (c *Cache) getCached(ctx context.Context, refs []hush.Ref, results []hush.Result) (missed []int) {
	for i := range refs {
		ref := &refs[i]
		if _, fresh := ref.Freshness(); !fresh && ctx.Err() == nil {
			if r := c.hit(c.table.find(ref)); r != nil {
				results[i] = r.result(ref, nil)
				continue
			}
		}
		missed = append(missed, i)
	}
	return missed
}

// A startedGet is a Get whose first step is decided. A nil req means that the Get has
// not started.
type startedGet struct {
	req  *request
	step step
}

// startBatch starts a Get of each valid ref that missed, if next supports batches. The
// fetches that the Gets start are one call.
func (c *Cache) startBatch(ctx context.Context, refs []hush.Ref, missed []int) []startedGet {
	started := make([]startedGet, len(missed))
	next, ok := c.next.(hush.BatchProvider)
	if !ok || ctx.Err() != nil {
		return started
	}
	b := &batch{next: next, done: make(chan struct{})}
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	c.heartbeat(now)
	firstNew := c.launched + 1
	for i, index := range missed {
		if refs[index].Validate() != nil {
			continue
		}
		req := newRequest(ctx, refs[index])
		req.firstNew, req.batch = firstNew, b
		started[i] = startedGet{req, c.decideStep(ctx, req, now)}
		req.batch = nil // a later fetch of the request is a call of its own
	}
	return started
}

// A batch is one call of next for fetches that were started together. The first
// fetch that makes its request makes the call.
type batch struct {
	next    hush.BatchProvider
	fetches []*fetch // startBatch completes them before it releases Cache.mu

	sent       atomic.Bool
	done       chan struct{} // closed at the end of the call, before the others read the fields below
	results    []hush.Result
	err        error // in place of results
	panicValue any
}

// callBatch makes the call of f's batch, or waits for it. It returns f's part of the
// results.
func (c *Cache) callBatch(f *fetch) (hush.Secret, error) {
	b := f.batch
	if b.sent.CompareAndSwap(false, true) {
		c.sendBatch(f)
	}
	<-b.done
	switch {
	case b.panicValue != nil:
		panic(b.panicValue)
	case b.err != nil:
		return hush.Secret{}, unavailable(f.entry.ref, b.err)
	}
	r := b.results[slices.Index(b.fetches, f)]
	return r.Secret, r.Err
}

// sendBatch calls next for all fetches of f's batch.
func (c *Cache) sendBatch(f *fetch) {
	b := f.batch
	defer close(b.done)
	defer func() { b.panicValue = recover() }()
	end, err := c.beginCall(f, false)
	if err != nil {
		b.err = err
		return
	}
	defer end()
	refs := make([]hush.Ref, len(b.fetches))
	for i, f := range b.fetches {
		refs[i] = f.ref
	}
	b.err = errGoexit // unless GetAll returns
	b.results = hush.GetAll(f.ctx, b.next, refs...)
	b.err = nil
}
