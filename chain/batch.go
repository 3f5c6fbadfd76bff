package chain

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/fan"
)

// getsAtOnce is how many searches run at a time where no link takes batches.
const getsAtOnce = 8

var _ hush.BatchProvider = (*Chain)(nil)

// GetBatch answers each of refs as Get does, by the same rules, with a search, a
// line and a Call for each ref and link. Links are asked in batches: the first one
// for all of refs, each later one for what the ones before could not answer.
//
// A link's Timeout, and its share of the caller's time, are then for its part of
// the batch, and Call.Latency is the batch's. Each ref of a batch that fails counts
// as a failure for the link's breaker. If no link is a hush.BatchProvider, GetBatch
// makes eight Gets at a time, each with limits of its own.
//
// Searches run in goroutines that end before GetBatch does, so Options.OnCall is
// called by several at once.
func (c *Chain) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	if len(refs) < 2 || !slices.ContainsFunc(c.links, takesBatches) {
		fan.Each(len(refs), getsAtOnce, func(i int) {
			results[i].Secret, results[i].Err = c.Get(ctx, refs[i])
		})
		return results
	}
	g := &gathering{searching: len(refs), batches: make([]*batch, len(c.links))}
	gathered := *c
	gathered.links = slices.Clone(c.links)
	for i := range gathered.links {
		gathered.links[i].Provider = gathered.links[i].gather(g, i)
	}
	fan.Each(len(refs), len(refs), func(i int) {
		defer g.leave(1)
		results[i].Secret, results[i].Err = gathered.Get(ctx, refs[i])
	})
	return results
}

func takesBatches(l link) bool {
	_, ok := l.Provider.(hush.BatchProvider)
	return ok
}

// A gathering makes batches of the calls of several searches. A batch is sent when
// no search is between two links, where it waits for nobody, so that no call waits
// for another link's store.
type gathering struct {
	mu        sync.Mutex
	searching int      // searches between two links
	batches   []*batch // by link: what waits to be sent
}

// A batch is calls of one link.
type batch struct {
	provider hush.Provider
	ctx      context.Context // of its first call; the others' limits began just then, too
	refs     []hush.Ref

	done     chan struct{}
	results  []hush.Result
	cut      error // why ctx had ended by then, if it had
	panicked any
}

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
		case b.cut != nil && ctx.Err() == nil && hush.ClassOf(b.results[i].Err) == hush.ErrCanceled:
			return hush.Secret{}, b.cut // the limit of this call ends just now, too
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

// leave takes n searches, which wait or are over, out of those between two links.
// The last one sends what waits.
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

// send asks the link, and lets go of the searches that wait for it.
func (g *gathering) send(b *batch) {
	defer func() {
		b.panicked = recover()
		g.leave(-len(b.refs))
		close(b.done)
	}()
	b.results = hush.GetAll(b.ctx, b.provider, b.refs...)
	b.cut = context.Cause(b.ctx)
}
