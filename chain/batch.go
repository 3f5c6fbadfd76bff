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
	// getsAtOnce is the number of concurrent searches if no link takes batches.
	getsAtOnce = 8
	// batchSize is the number of concurrent searches, each in its goroutine, whose calls
	// go in batches.
	batchSize = 1000
)

var _ hush.BatchProvider = (*Chain)(nil)

// GetBatch returns for each of refs what Get returns, by the same rules, with a search,
// a line and a Call for each ref and link. It takes up to 1,000 refs at a time. Links are
// called in batches: the first link with all of these refs, each later link with the
// refs that the links before it did not return.
//
// A link's Timeout, and its share of the caller's time, then limit its part of the batch,
// and Call.Latency is that of the batch. Each ref of a batch that fails counts as a
// failure for the link's breaker. If no link is a hush.BatchProvider, GetBatch makes eight
// Gets at a time, each with limits of its own.
//
// Searches run in goroutines that end before GetBatch returns, so several of them call
// Options.OnCall at the same time. GetBatch panics if a link or OnCall does.
func (c *Chain) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	if len(refs) < 2 || !slices.ContainsFunc(c.links, takesBatches) {
		parallel.Each(len(refs), getsAtOnce, func(i int) {
			results[i].Secret, results[i].Err = c.Get(ctx, refs[i])
		})
		return results
	}
	for first := 0; first < len(refs); first += batchSize {
		end := min(first+batchSize, len(refs))
		c.gather(ctx, refs[first:end], results[first:end])
	}
	return results
}

func takesBatches(l link) bool {
	_, ok := l.Provider.(hush.BatchProvider)
	return ok
}

// gather fills results with one search for each of refs, all at the same time.
func (c *Chain) gather(ctx context.Context, refs []hush.Ref, results []hush.Result) {
	g := &gathering{searching: len(refs), batches: make([]*batch, len(c.links))}
	gathered := *c
	gathered.gathering = g
	gathered.links = slices.Clone(c.links)
	for i := range gathered.links {
		gathered.links[i].Provider = gathered.links[i].gather(g, i)
	}
	parallel.Each(len(refs), len(refs), func(i int) {
		defer g.leave(1)
		results[i].Secret, results[i].Err = gathered.Get(ctx, refs[i])
	})
}

// A gathering makes batches of the calls of several searches. It sends a batch when no
// search is between two links. A search that waits for something else is not between
// two links, so no call waits for the store of another link.
type gathering struct {
	mu        sync.Mutex
	searching int      // the number of searches between two links
	batches   []*batch // by link: the batches that wait to be sent
}

// A batch contains calls of one link.
type batch struct {
	provider hush.Provider
	ctx      context.Context // of the first call; the limits of the others began then, too
	refs     []hush.Ref

	done     chan struct{}
	results  []hush.Result
	limit    error // the cause of ctx, if ctx had ended by the end of the batch
	panicked any
}

// A batchLimit is the limit of the batch in which a call was cut off.
type batchLimit struct{ error }

func (e batchLimit) Unwrap() error { return e.error }

// gather returns l's Provider for the searches of g.
func (l *link) gather(g *gathering, place int) hush.ProviderFunc {
	provider := l.Provider
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		b, i := g.join(ctx, provider, place, ref)
		g.leave(1)
		<-b.done
		switch {
		case b.panicked != nil:
			panic(b.panicked)
		case b.results == nil:
			return hush.Secret{}, hush.NewError(name, ref, hush.ErrUnavailable, errEnded)
		case b.limit != nil && ctx.Err() == nil && hush.ClassOf(b.results[i].Err) == hush.ErrCanceled:
			return hush.Secret{}, batchLimit{b.limit}
		}
		return b.results[i].Secret, b.results[i].Err
	}
}

var errEnded = errors.New("the provider ended its goroutine")

// join adds a call of the link in place to its batch.
func (g *gathering) join(ctx context.Context, provider hush.Provider, place int, ref hush.Ref) (b *batch, i int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b = g.batches[place]
	if b == nil {
		b = &batch{provider: provider, ctx: ctx, done: make(chan struct{})}
		g.batches[place] = b
	}
	b.refs = append(b.refs, ref)
	return b, len(b.refs) - 1
}

// leave removes n searches, which wait or have ended, from those between two links. The
// last of them sends the batches. A negative n adds searches.
func (g *gathering) leave(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.searching -= n; g.searching > 0 {
		return
	}
	for place, b := range g.batches {
		if b != nil {
			g.batches[place] = nil
			go g.send(b)
		}
	}
}

// send calls the link, and releases the searches that wait for the batch.
func (g *gathering) send(b *batch) {
	defer func() {
		b.panicked = recover()
		g.leave(-len(b.refs))
		close(b.done)
	}()
	b.results = hush.GetAll(b.ctx, b.provider, b.refs...)
	b.limit = context.Cause(b.ctx)
}
