package cachettl

import (
	"context"
	"time"

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

	letDown bool // it asked plainly, and a fresh fetch was no use to it
}

// A move is what a question does next.
type move struct {
	answer *held  // take this
	fetch  *fetch // or wait for this fetch
	join   bool   // and take its result; otherwise look again when it ends

	spare *held // served stale if the fetch takes longer than
	wait  time.Duration
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
		answer, err := m.answer, error(nil)
		if answer == nil {
			answer, err = c.await(ctx, q, m)
		}
		if answer != nil || err != nil {
			c.counts.count(m, answer)
			c.told(m.fetch, answer)
			return answer.reply(ref, err)
		}
	}
}

// await waits for what m says. A nil answer without an error means: look again.
func (c *Cache) await(ctx context.Context, q *question, m move) (*held, error) {
	var enough <-chan time.Time
	if m.spare != nil {
		timer := time.NewTimer(patience(ctx, m.wait))
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-m.fetch.done:
	case <-ctx.Done():
		return nil, hush.NewError(source, q.ref, hush.ErrCanceled, ctx.Err())
	case <-enough:
		if stale := c.spare(m); stale != nil {
			return stale, nil
		}
		m.spare = nil // forgotten meanwhile, or the fetch has just ended
		return c.await(ctx, q, m)
	}
	if !m.join {
		return nil, nil
	}
	return m.fetch.result(q), nil
}

// told notes that somebody was served the stale answer that f left.
func (c *Cache) told(f *fetch, answer *held) {
	if f == nil || answer == nil || !answer.ours {
		return
	}
	c.mu.Lock()
	defer c.unlock()
	c.stale(f.entry, answer)
	if f.entry.failure == nil {
		f.entry.stale = false // the store is back already: its next outage is another
	}
}

// patience is wait, or half of what ctx leaves: the other half is for the caller.
func patience(ctx context.Context, wait time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)/2)
	}
	return wait
}

// spare returns what m would serve stale, unless its fetch has ended meanwhile, it
// was forgotten, or its time is over: the wait may have been a freeze.
func (c *Cache) spare(m move) *held {
	c.mu.Lock()
	defer c.unlock()
	e, now := m.fetch.entry, c.now()
	c.abandonLate(e.ref, now)
	if m.fetch.over || e.held.Load() != m.spare || now.Reached(e.bound(m.spare)) {
		return nil
	}
	return c.stale(e, m.spare)
}

// move decides what q does next, by what is held and which fetch runs.
func (c *Cache) move(ctx context.Context, q *question) move {
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return move{answer: &held{err: hush.NewError(source, q.ref, hush.ErrUnavailable, errClosed)}}
	}
	now := c.now()
	c.abandonLate(q.whole, now)
	e := c.entry(q.whole)
	h := e.held.Load()
	switch {
	case h != nil && !q.fresh:
		return c.serve(ctx, q, e, h, now)
	case h != nil && !now.Reached(h.fresh) && (q.accepts(h) || c.believes(q, e, now)):
		e.touch()
		return move{answer: h}
	}
	return c.join(ctx, q, e)
}

// serve decides for a plain Get of what is held.
func (c *Cache) serve(ctx context.Context, q *question, e *entry, h *held, now clock.Instant) move {
	e.touch()
	switch bound := e.bound(h); {
	case !now.Reached(h.fresh):
		if now.Reached(h.ahead) && c.refresh(ctx, e, now) {
			e.held.Store(h.notAhead(h.fresh))
		}
		return move{answer: h}
	case !now.Reached(h.lapsed) && !e.barred():
		c.refresh(ctx, e, now)
		if e.abandoned && e.fetch != nil {
			return move{fetch: e.fetch, join: true} // the refresh before it came to nothing
		}
		return move{answer: c.stale(e, h)}
	case now.Reached(bound):
		return c.join(ctx, q, e)
	case e.waits(now):
		return move{answer: c.stale(e, h)}
	}
	m := c.join(ctx, q, e)
	m.spare, m.wait = h, c.opt.StaleWait-now.Since(m.fetch.begun)
	if m.wait <= 0 {
		return move{answer: c.stale(e, h)}
	}
	return m
}

// refresh starts a fetch that nobody waits for, unless one runs or the last one
// failed just now. It reports whether it did.
func (c *Cache) refresh(ctx context.Context, e *entry, now clock.Instant) bool {
	if e.fetch != nil || e.waits(now) {
		return false
	}
	c.start(ctx, e, false)
	return true
}

// join makes q wait for a fetch: one that runs, if its answer is new enough for q.
func (c *Cache) join(ctx context.Context, q *question, e *entry) move {
	switch f := e.fetch; {
	case f == nil:
		return move{fetch: c.start(ctx, e, q.fresh), join: true}
	case q.than != nil && f.number <= q.asked:
		return move{fetch: f} // it may bring something newer
	case !q.fresh && q.letDown && f.fresh:
		return move{fetch: c.queuePlain(ctx, e), join: true}
	case q.fresh && (!f.fresh || f.number <= q.asked), f.forgotten:
		return move{fetch: c.queue(ctx, e), join: true}
	default:
		return move{fetch: f, join: true}
	}
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
// again for something newer would only burden the store.
func (c *Cache) believes(q *question, e *entry, now clock.Instant) bool {
	return q.than != nil && e.fetch == nil && e.unchanged != (clock.Instant{}) &&
		!now.Reached(e.unchanged.Add(c.opt.MinRefresh))
}

// entry returns the entry of whole, made if there is none.
func (c *Cache) entry(whole hush.Ref) *entry {
	if e := c.table.find(&whole); e != nil {
		return e
	}
	return c.table.add(whole)
}
