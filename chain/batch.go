package chain

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/parallel"
)

const (
	// maxGets is the number of concurrent Gets if no link is a BatchProvider.
	maxGets = 8
	// maxBatch is the largest number of refs in a batch. Each has a goroutine.
	maxBatch = 1000
)

var _ hush.BatchProvider = (*Chain)(nil)

// GetBatch returns what Get returns for each of refs. Each ref has its own lookup, with
// its own Calls and log lines. The chain calls its links in batches of up to 1,000 refs:
// the first link with all refs, each later link with the refs that the links before it did
// not return.
//
// A link's Timeout, and its share of the caller's time, limit its part of the batch.
// Call.Latency is that of the batch. If a batch fails, each of its refs counts as a
// failure for the link's breaker. If no link is a hush.BatchProvider, GetBatch makes eight
// Gets at a time, each with its own limits.
//
// Lookups run in goroutines, which end before GetBatch returns. They call OnCall
// concurrently. GetBatch panics if a link or OnCall panics.
func (c *Chain) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	if len(refs) < 2 || !slices.ContainsFunc(c.links, isBatchProvider) {
		parallel.Each(len(refs), maxGets, func(i int) {
			results[i].Secret, results[i].Err = c.Get(ctx, refs[i])
		})
		return results
	}
	for first := 0; first < len(refs); first += maxBatch {
		end := min(first+maxBatch, len(refs))
		c.getBatch(ctx, refs[first:end], results[first:end])
	}
	return results
}

func isBatchProvider(l link) bool {
	_, ok := l.Provider.(hush.BatchProvider)
	return ok
}

// getBatch fills results with a concurrent lookup for each of refs.
func (c *Chain) getBatch(ctx context.Context, refs []hush.Ref, results []hush.Result) {
	b := &batcher{running: len(refs), batches: make([]*batch, len(c.links))}
	batching := *c
	batching.batcher = b
	batching.links = slices.Clone(c.links)
	for i := range batching.links {
		batching.links[i].Provider = b.provider(i, batching.links[i].Provider)
	}
	parallel.Each(len(refs), len(refs), func(i int) {
		defer b.addRunning(-1)
		results[i].Secret, results[i].Err = batching.Get(ctx, refs[i])
	})
}

// A batcher combines the calls of concurrent lookups into batches. It sends the batches
// when no lookup is running. A lookup does not run while it waits for a batch or for a
// last-resort slot, so a batch does not wait for the store of another link.
type batcher struct {
	mu      sync.Mutex
	running int      // lookups that may still add a call
	batches []*batch // by link; nil: no call yet
}

// A batch is one call of one link for several lookups.
type batch struct {
	provider hush.Provider
	ctx      context.Context // of the first lookup that joined; the other limits started with it
	refs     []hush.Ref

	done     chan struct{}
	results  []hush.Result
	ended    error // the cause of ctx, if ctx had ended by the end of the batch
	panicked any
}

// A batchLimit reports that the limit of the batch interrupted a call.
type batchLimit struct{ error }

func (e batchLimit) Unwrap() error { return e.error }

// provider returns a Provider that adds each call to the current batch of a link.
func (b *batcher) provider(link int, next hush.Provider) hush.ProviderFunc {
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		batch, i := b.join(ctx, next, link, ref)
		b.addRunning(-1)
		<-batch.done
		switch {
		case batch.panicked != nil:
			panic(batch.panicked)
		case batch.results == nil:
			return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnavailable, errGoexit)
		case batch.ended != nil && ctx.Err() == nil && hush.ClassOf(batch.results[i].Err) == hush.ErrCanceled:
			return hush.Secret{}, batchLimit{batch.ended}
		}
		return batch.results[i].Secret, batch.results[i].Err
	}
}

var errGoexit = errors.New("the provider called runtime.Goexit")

// join adds a call to the current batch of a link. It returns the batch and the index of
// the call's result.
func (b *batcher) join(ctx context.Context, provider hush.Provider, link int, ref hush.Ref) (*batch, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	current := b.batches[link]
	if current == nil {
		current = &batch{provider: provider, ctx: ctx, done: make(chan struct{})}
		b.batches[link] = current
	}
	current.refs = append(current.refs, ref)
	return current, len(current.refs) - 1
}

// addRunning changes the number of running lookups by n. It sends the batches if no lookup
// is left. It does nothing if b is nil.
func (b *batcher) addRunning(n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running += n; b.running > 0 {
		return
	}
	for link, batch := range b.batches {
		if batch != nil {
			b.batches[link] = nil
			go b.send(batch)
		}
	}
}

// send calls the link and resumes the lookups that wait for the batch.
func (b *batcher) send(batch *batch) {
	defer func() {
		batch.panicked = recover()
		b.addRunning(len(batch.refs))
		close(batch.done)
	}()
	batch.results = hush.GetAll(batch.ctx, batch.provider, batch.refs...)
	batch.ended = context.Cause(batch.ctx)
}
