package cachettl

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/fan"
)

const (
	getsAtOnce = 8
	// maxBatch is what Secrets Manager takes in one call. A batch has the time of
	// one fetch, so it must not grow with what is asked for.
	maxBatch = 20
)

var _ hush.BatchProvider = (*Cache)(nil)

// GetBatch answers each of refs as Get does, eight at a time. If next is a
// hush.BatchProvider, as every decorator is, it is asked for up to 20 secrets at
// once: those that are neither held nor being fetched, fresh reads apart. Each of
// them is still the one fetch for its key, which others join; FetchTimeout is then
// for the batch.
func (c *Cache) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	for first := 0; first < len(refs); first += maxBatch {
		part := refs[first:min(first+maxBatch, len(refs))]
		fetches := c.fetchTogether(ctx, part)
		fan.Each(len(part), getsAtOnce, func(i int) {
			r := &results[first+i]
			r.Secret, r.Err = c.getOrJoin(ctx, part[i], fetches[part[i].Whole()])
		})
	}
	return results
}

// getOrJoin takes what f brings, if ref can use it. f may be over by now, and what
// it brought be gone: it was started for this very call.
func (c *Cache) getOrJoin(ctx context.Context, ref hush.Ref, f *fetch) (hush.Secret, error) {
	if _, fresh := ref.Freshness(); f != nil && !fresh && ref.Validate() == nil {
		m := move{fetch: f, join: true}
		answer, err := c.await(ctx, &question{ref: ref, whole: ref.Whole()}, m)
		if answer != nil || err != nil {
			c.counts.count(m, answer)
			return answer.reply(ref, err)
		}
	}
	return c.Get(ctx, ref)
}

// fetchTogether starts the fetches for what of refs is due, by key, if next can
// make a batch of them.
func (c *Cache) fetchTogether(ctx context.Context, refs []hush.Ref) map[hush.Ref]*fetch {
	next, ok := c.next.(*gathering)
	if !ok || ctx.Err() != nil {
		return nil
	}
	c.mu.Lock()
	defer c.unlock()
	due := c.due(refs)
	b := &batch{next: next.BatchProvider, missing: len(due), done: make(chan struct{})}
	ctx = context.WithValue(ctx, batchKey{}, b)
	fetches := make(map[hush.Ref]*fetch, len(due))
	now := c.now()
	for _, e := range due {
		// What may be served stale is left to Get, which knows how long to wait.
		if f := c.start(ctx, e, false); e.gone(now) {
			fetches[e.ref] = f
		}
	}
	return fetches
}

// due returns the entries for which plain Gets of refs would start fetches.
func (c *Cache) due(refs []hush.Ref) (due []*entry) {
	if c.closed {
		return nil
	}
	now := c.now()
	for _, ref := range refs {
		if _, fresh := ref.Freshness(); fresh || ref.Validate() != nil {
			continue
		}
		if e := c.entry(ref.Whole()); e.fetch == nil && e.past(now) && !slices.Contains(due, e) {
			due = append(due, e)
		}
	}
	return due
}

// past reports whether the TTL of what e holds is over and no back-off step is.
func (e *entry) past(now clock.Instant) bool {
	h := e.held.Load()
	return h == nil || now.Reached(h.fresh) && !e.waits(now)
}

// gone reports whether e holds nothing that may be served, stale or not.
func (e *entry) gone(now clock.Instant) bool {
	h := e.held.Load()
	return h == nil || now.Reached(h.fresh) && now.Reached(e.bound(h)) && (now.Reached(h.lapsed) || e.barred())
}

// gather returns next, made to ask in batches for fetches that were started
// together.
func gather(next hush.Provider) hush.Provider {
	if b, ok := next.(hush.BatchProvider); ok {
		return &gathering{b}
	}
	return next
}

// A gathering is a cache's next. A fetch that belongs to a batch has that in its
// context.
type gathering struct{ hush.BatchProvider }

type batchKey struct{}

// Get asks next, or takes part in the batch of ctx.
func (g *gathering) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	// A cache behind this one sees the same context, but only when all have asked.
	if b, ok := ctx.Value(batchKey{}).(*batch); ok {
		if i, ok := b.join(ctx, ref); ok {
			return b.result(i, ref)
		}
	}
	return g.BatchProvider.Get(ctx, ref)
}

// A batch is the questions of fetches that were started together. The last of them
// to ask asks for all.
type batch struct {
	next    hush.BatchProvider
	mu      sync.Mutex
	missing int // fetches that have not asked yet
	refs    []hush.Ref

	done     chan struct{}
	results  []hush.Result
	panicked any
}

// join returns the place of ref once the results are there; ok is false for the
// second question of a fetch.
func (b *batch) join(ctx context.Context, ref hush.Ref) (place int, ok bool) {
	b.mu.Lock()
	if b.missing == 0 {
		b.mu.Unlock()
		return 0, false
	}
	b.missing--
	last := b.missing == 0
	place = len(b.refs)
	b.refs = append(b.refs, ref)
	b.mu.Unlock()
	if last {
		b.send(ctx)
	}
	<-b.done
	return place, true
}

func (b *batch) send(ctx context.Context) {
	defer close(b.done)
	defer func() { b.panicked = recover() }()
	b.results = hush.GetAll(ctx, b.next, b.refs...)
}

var errEnded = errors.New("the provider ended its goroutine")

func (b *batch) result(place int, ref hush.Ref) (hush.Secret, error) {
	switch {
	case b.panicked != nil:
		panic(b.panicked)
	case b.results == nil:
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnavailable, errEnded)
	}
	return b.results[place].Secret, b.results[place].Err
}
