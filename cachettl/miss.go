package cachettl

import (
	"context"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A question is one Get that memory could not answer at a glance.
type question struct {
	ref   hush.Ref
	whole hush.Ref
	than  *hush.Secret // NewerThan this
	fresh bool         // Fresh or NewerThan
	asked uint64       // how many fetches had started when it came
	lost  int          // fetches that were abandoned under it
}

// A move is what a question does next.
type move struct {
	held  *held  // take this answer
	err   error  // or this one
	fetch *fetch // or wait for this fetch
	join  bool   // and take its result; otherwise look again when it ends
}

// miss answers ref by waiting for a fetch, or for several: a fresh read cannot
// use one that began before it came, and an abandoned one answers nobody.
func (c *Cache) miss(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	q := &question{ref: ref, whole: ref.Whole()}
	q.than, q.fresh = ref.Freshness()
	c.mu.Lock()
	q.asked = c.asked
	c.mu.Unlock()
	for {
		m := c.move(ctx, q)
		if m.fetch == nil {
			return reply(ref, m.held, m.err)
		}
		select {
		case <-m.fetch.done:
		case <-ctx.Done():
			return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, ctx.Err())
		}
		if m.join {
			if held, err, ok := m.fetch.result(q); ok {
				return reply(ref, held, err)
			}
		}
	}
}

func reply(ref hush.Ref, h *held, err error) (hush.Secret, error) {
	if err != nil {
		return hush.Secret{}, err
	}
	return h.pick(ref)
}

// move decides what q does next, by what is held and which fetch runs.
func (c *Cache) move(ctx context.Context, q *question) move {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return move{err: hush.NewError(source, q.ref, hush.ErrUnavailable, errClosed)}
	}
	now := c.now()
	c.abandonLate(q.whole, now)
	e := c.entry(q.whole)
	f, h := e.fetch, e.held.Load()
	live := h != nil && !now.Reached(h.fresh)
	switch {
	case live && (!q.fresh || q.accepts(h)):
		e.touch()
		return move{held: h}
	case f == nil && live && q.than != nil && c.believes(e, now):
		return move{held: h}
	case f == nil:
		return move{fetch: c.start(ctx, e, q.fresh), join: true}
	case q.than != nil && f.number <= q.asked:
		return move{fetch: f} // it may bring something newer
	case q.fresh && (!f.fresh || f.number <= q.asked), f.forgotten:
		return move{fetch: c.queue(ctx, e), join: true}
	}
	return move{fetch: f, join: true}
}

// accepts reports whether h is news to one who asked for something newer.
func (q *question) accepts(h *held) bool {
	if q.than == nil || secondhand(h.secret) || older(h.secret, *q.than) {
		return false
	}
	got, err := h.pick(q.ref)
	return err == nil && !same(got, *q.than)
}

// believes reports whether a fresh fetch found nothing new so lately that asking
// again would only burden the store.
func (c *Cache) believes(e *entry, now clock.Instant) bool {
	return e.unchanged != (clock.Instant{}) && !now.Reached(e.unchanged.Add(c.opt.MinRefresh))
}

// entry returns the entry of whole, made if there is none.
func (c *Cache) entry(whole hush.Ref) *entry {
	if e := c.table.find(whole); e != nil {
		return e
	}
	return c.table.add(whole)
}
