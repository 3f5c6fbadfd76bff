package cachettl

import (
	"context"
	"slices"
	"sync"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
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
// neither cached nor being fetched, except for fresh refs. Each of them is the one
// fetch for its key, which other Gets join. FetchTimeout is then the limit for the
// batch.
func (c *Cache) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	for missed := range slices.Chunk(c.getCached(ctx, refs, results), maxBatch) {
		part := make([]hush.Ref, len(missed))
		for i, index := range missed {
			part[i] = refs[index]
		}
		fetches := c.startBatch(ctx, part)
		parallel.Each(len(part), concurrentGets, func(i int) {
			r, err := c.getOrJoin(ctx, &part[i], fetches[part[i].Key()])
			results[missed[i]] = r.result(&part[i], err)
		})
	}
	return results
}

// getCached sets the results of those of refs that are hits. It returns the indices
// of the others.
func (c *Cache) getCached(ctx context.Context, refs []hush.Ref, results []hush.Result) (missed []int) {
	for i := range refs {
		var r *record
		ref := &refs[i]
		if _, fresh := ref.Freshness(); !fresh && ctx.Err() == nil {
			r = c.hit(c.table.find(ref))
		}
		if r == nil {
			missed = append(missed, i)
			continue
		}
		results[i] = r.result(ref, nil)
	}
	return missed
}

// getOrJoin returns the result of f if ref can use it. f may be over by now, and
// its result may not be kept, but it was started for this call.
func (c *Cache) getOrJoin(ctx context.Context, ref *hush.Ref, f *fetch) (*record, error) {
	if _, fresh := ref.Freshness(); f != nil && !fresh && ref.Validate() == nil {
		c.mu.Lock()
		f.waiters++
		c.mu.Unlock()
		s := step{fetch: f, join: true}
		result, err := c.await(ctx, newRequest(ctx, *ref), s)
		if result != nil || err != nil {
			c.counts.count(s, result)
			return result, err
		}
	}
	return c.get(ctx, ref)
}

// startBatch starts the fetches that Gets of refs would start, if next supports
// batches. It returns by key those that the Gets must wait for.
func (c *Cache) startBatch(ctx context.Context, refs []hush.Ref) map[hush.Ref]*fetch {
	next, ok := c.next.(hush.BatchProvider)
	if !ok || ctx.Err() != nil {
		return nil
	}
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return nil
	}
	c.beat(now)
	b := &batch{next: next, done: make(chan struct{})}
	awaited := map[hush.Ref]*fetch{}
	for _, e := range c.due(refs, now) {
		f := newFetch(ctx, e, e.freshFirst > 0)
		f.batch, b.fetches = b, append(b.fetches, f)
		if held := e.record.Load(); held == nil || !e.mayServeStale(held, now) {
			awaited[e.ref] = f // a Get with a stale secret knows how long to wait
		}
	}
	b.missing = len(b.fetches)
	for _, f := range b.fetches {
		c.launch(f, now)
	}
	return awaited
}

// due returns the entries for which plain Gets of refs would start fetches.
func (c *Cache) due(refs []hush.Ref, now clock.Instant) (due []*entry) {
	for _, ref := range refs {
		if _, fresh := ref.Freshness(); fresh || ref.Validate() != nil {
			continue
		}
		whole := ref.Key()
		followsInterrupted := c.retire(whole, now)
		e := c.entry(whole)
		e.interrupted = e.interrupted || followsInterrupted
		if e.fetch == nil && e.needsFetch(now) && !slices.Contains(due, e) {
			due = append(due, e)
		}
	}
	return due
}

// needsFetch reports whether e has no secret within its TTL and is not in backoff.
func (e *entry) needsFetch(now clock.Instant) bool {
	held := e.record.Load()
	return held == nil || now.Reached(held.ttlEnd) && !e.inBackoff(now)
}

// A batch is one call of next for fetches that were started together. The last of
// them to make its request makes the call.
type batch struct {
	next    hush.BatchProvider
	fetches []*fetch

	mu      sync.Mutex
	missing int // fetches that have not made their request yet
	refs    []hush.Ref
	members map[*fetch]int // index of each in refs

	done     chan struct{}
	results  []hush.Result
	err      error // in place of results
	panicked any
}

// joinBatch adds ref to f's batch and waits for the results. It returns false for
// the second request of a fetch.
func (c *Cache) joinBatch(f *fetch, ref hush.Ref) bool {
	b := f.batch
	b.mu.Lock()
	if b.missing == 0 {
		b.mu.Unlock()
		return false
	}
	if b.members == nil {
		b.members = map[*fetch]int{}
	}
	b.members[f] = len(b.refs)
	b.refs = append(b.refs, ref)
	b.missing--
	last := b.missing == 0
	b.mu.Unlock()
	if last {
		c.sendBatch(f.ctx, b)
	}
	<-b.done
	return true
}

// sendBatch calls next for all of b. The batch takes one turn.
func (c *Cache) sendBatch(ctx context.Context, b *batch) {
	defer close(b.done)
	defer func() { b.panicked = recover() }()
	end, err := c.turns.take(ctx)
	if err != nil {
		b.err = err
		return
	}
	defer end()
	if !c.beginCall(b.fetches...) {
		b.err = errDropped
		return
	}
	b.err = errGoexit // unless GetAll returns
	b.results = hush.GetAll(ctx, b.next, b.refs...)
	b.err = nil
}

// result returns f's part of the results.
func (b *batch) result(f *fetch) (hush.Secret, error) {
	switch {
	case b.panicked != nil:
		panic(b.panicked)
	case b.err != nil:
		return hush.Secret{}, hush.NewError(source, f.entry.ref, hush.ErrUnavailable, b.err)
	}
	r := b.results[b.members[f]]
	return r.Secret, r.Err
}

// dropBatch drops the fetches of b if none of them must go on.
func (c *Cache) dropBatch(b *batch) {
	if slices.ContainsFunc(b.fetches, (*fetch).needed) {
		return
	}
	for _, f := range b.fetches {
		if !f.over {
			f.abandoned = true
			c.release(f)
		}
	}
}
