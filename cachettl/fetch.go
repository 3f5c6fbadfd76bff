package cachettl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// grace is how long a fetch whose context ended may take to say why, before it
// is given up as deaf.
const grace = 50 * time.Millisecond

var errAbandoned = errors.New("two fetches in a row were cut off, as if by a freeze")

// A fetch is one question to next, detached from the caller that started it. Its
// results are written before done is closed, and read after.
type fetch struct {
	entry  *entry
	fresh  bool
	number uint64 // it is the number-th fetch of the cache
	begun  clock.Instant
	limit  clock.Instant // FetchTimeout after begun
	ctx    context.Context
	cancel context.CancelFunc
	unhook []func() bool

	ttl       time.Duration // of what it brought
	forgotten bool          // answers those who wait, and is not kept
	over      bool          // ended or abandoned: what still comes is dropped

	done      chan struct{}
	abandoned bool  // no results: those who waited look again
	plain     *held // for a plain Get
	fetched   *held // for a fresh one
}

// start begins a fetch for e, a fresh one if e was forgotten.
func (c *Cache) start(ctx context.Context, e *entry, fresh bool) *fetch {
	f := newFetch(ctx, e, fresh || e.freshFirst > 0)
	c.launch(f)
	return f
}

// queue returns the fresh fetch that starts when the one that runs has ended.
func (c *Cache) queue(ctx context.Context, e *entry) *fetch {
	if e.queued == nil {
		e.queued = newFetch(ctx, e, true)
	}
	return e.queued
}

// queuePlain returns the plain fetch that starts when the one that runs has ended,
// for those whom a fresh one has let down: others may ask afresh for ever.
func (c *Cache) queuePlain(ctx context.Context, e *entry) *fetch {
	if e.plain == nil {
		e.plain = newFetch(ctx, e, false)
	}
	return e.plain
}

// newFetch returns a fetch with the values of ctx; its end does not go with it.
func newFetch(ctx context.Context, e *entry, fresh bool) *fetch {
	return &fetch{entry: e, fresh: fresh, ctx: context.WithoutCancel(ctx), done: make(chan struct{})}
}

func (c *Cache) launch(f *fetch) {
	c.asked++
	f.number, f.begun = c.asked, c.now()
	f.limit = f.begun.Add(c.opt.FetchTimeout)
	late := fmt.Errorf("no answer within the fetch timeout of %v", c.opt.FetchTimeout)
	ctx, closing := context.WithCancelCause(f.ctx)
	f.ctx, f.cancel = context.WithTimeoutCause(ctx, c.opt.FetchTimeout, late)
	f.unhook = []func() bool{
		context.AfterFunc(c.ending, func() { closing(errClosed) }),
		context.AfterFunc(f.ctx, func() { c.giveUp(f) }),
	}
	f.entry.fetch = f
	c.table.running++
	c.active.Add(1)
	go c.run(f)
}

// abandonLate abandons the fetch of whole if it can no longer answer: the
// environment was frozen, or next is deaf to its context.
func (c *Cache) abandonLate(whole hush.Ref, now clock.Instant) {
	if e := c.table.find(&whole); e != nil && e.fetch != nil && now.Reached(e.fetch.limit) {
		c.abandon(e.fetch)
	}
}

// run asks next and settles what it says, also if it panics or ends the
// goroutine.
func (c *Cache) run(f *fetch) {
	err := error(hush.NewError(source, f.entry.ref, hush.ErrUnavailable, errors.New("the provider ended its goroutine")))
	var secret hush.Secret
	defer func() { c.finish(f, secret, err) }()
	secret, err = c.ask(f, f.fresh)
	if err == nil && !f.fresh && c.goesBack(f.entry, secret) {
		secret, err = c.confirm(f, secret)
	}
}

// ask calls next. What it says of a context is said as text: those who wait have
// contexts of their own, and theirs did not end.
func (c *Cache) ask(f *fetch, fresh bool) (secret hush.Secret, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = hush.NewError(source, f.entry.ref, hush.ErrUnavailable, fmt.Errorf("the provider panicked with a %T", v))
		}
	}()
	ref := f.entry.ref
	if fresh {
		ref = ref.Fresh()
	}
	secret, err = c.next.Get(f.ctx, ref)
	if err == nil {
		f.ttl = c.timeToLive(f.entry.ref, secret)
	}
	class := hush.ClassOf(err)
	if class != hush.ErrCanceled && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return secret, err
	}
	if class == hush.ErrCanceled {
		class = hush.ErrUnavailable
	}
	text := err.Error()
	if f.ctx.Err() != nil {
		text = context.Cause(f.ctx).Error() + ": " + text
	}
	return hush.Secret{}, hush.NewError(source, f.entry.ref, class, errors.New(text))
}

// goesBack reports whether s was made before what the store gave earlier. It may
// come from a cache behind this one, or be a roll-back.
func (c *Cache) goesBack(e *entry, s hush.Secret) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.last != nil && !secondhand(s) && older(s, e.last.secret)
}

// confirm asks once more, afresh, and lets that answer decide. Where next cannot
// be asked afresh the older secret is all there is.
func (c *Cache) confirm(f *fetch, s hush.Secret) (hush.Secret, error) {
	confirmed, err := c.ask(f, true)
	switch hush.ClassOf(err) {
	case 0, hush.ErrNotFound, hush.ErrDenied:
		return confirmed, err
	case hush.ErrUnsupported:
		return s, nil
	}
	return hush.Secret{}, hush.NewError(source, f.entry.ref, hush.ErrUnavailable,
		fmt.Errorf("an older version came back and could not be confirmed: %w", err))
}

// giveUp ends a fetch whose context ended and whose next does not.
func (c *Cache) giveUp(f *fetch) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
		c.finish(f, hush.Secret{}, hush.NewError(source, f.entry.ref, hush.ErrUnavailable, context.Cause(f.ctx)))
	}
}

// finish settles what a fetch brought, unless it is too late for that.
func (c *Cache) finish(f *fetch, secret hush.Secret, err error) {
	c.mu.Lock()
	defer c.unlock()
	now := c.now()
	f.forgotten = f.forgotten || c.closed
	switch {
	case f.over:
		return
	case c.froze(f, now):
		c.abandon(f)
		return
	case err == nil && now.Reached(f.limit):
		secret, err = hush.Secret{}, hush.NewError(source, f.entry.ref, hush.ErrUnavailable,
			fmt.Errorf("the answer came after the fetch timeout of %v", c.opt.FetchTimeout))
	}
	c.settle(f, secret, err, now)
	c.release(f)
}

// froze reports whether f is past its limit by one clock while the other stood
// still. What it brings is as old as the freeze was long.
func (c *Cache) froze(f *fetch, now clock.Instant) bool {
	skew := (now.Wall - f.begun.Wall) - (now.Mono - f.begun.Mono)
	return now.Reached(f.limit) && max(skew, -skew) > int64(c.opt.FetchTimeout)/2
}

// abandon ends f without results.
func (c *Cache) abandon(f *fetch) {
	f.abandoned, f.entry.abandoned = true, true
	if h := f.entry.good(); h != nil && h.ahead != h.due {
		f.entry.held.Store(h.notAhead(h.due)) // a refresh that came to nothing is due again
	}
	c.counts.abandoned.Add(1)
	c.release(f)
}

// release lets go of those who wait for f, and starts the fetch that waits for it
// to end.
func (c *Cache) release(f *fetch) {
	f.over = true
	for _, unhook := range f.unhook {
		unhook()
	}
	f.cancel()
	e := f.entry
	e.fetch = nil
	c.table.running--
	c.follow(f)
	c.counts.evictions.Add(c.table.keep(e))
	close(f.done) // last: who waited finds evicted what had to go
	c.active.Done()
}

// follow starts what waits for f to end. A store that could not be asked afresh just
// now cannot a moment later, and nobody is asked once the cache is closed.
func (c *Cache) follow(f *fetch) {
	e := f.entry
	plain, fresh := e.plain, e.queued
	e.plain = nil
	switch {
	case c.closed:
		closed := &held{err: hush.NewError(source, e.ref, hush.ErrUnavailable, errClosed)}
		plain.answer(closed)
		fresh.answer(closed)
	case f.fresh && !f.abandoned && hush.ClassOf(f.fetched.err) == hush.ErrUnsupported:
		fresh.answer(f.fetched)
		fresh = nil
	}
	switch {
	case c.closed:
		e.queued = nil
	case plain != nil:
		e.queued = fresh
		c.launch(plain)
	default:
		e.queued = nil
		if fresh != nil {
			c.launch(fresh)
		}
	}
}

// answer ends a fetch that was not started.
func (f *fetch) answer(h *held) {
	if f != nil {
		f.plain, f.fetched, f.over = h, h, true
		close(f.done)
	}
}

// result returns what f brought for q, or nil if q must look again.
func (f *fetch) result(q *question) *held {
	switch {
	case f.abandoned:
		if q.lost++; q.lost > 1 {
			return &held{err: hush.NewError(source, q.ref, hush.ErrUnavailable, errAbandoned)}
		}
		return nil
	case q.fresh:
		return f.fetched
	case f.fresh && hush.ClassOf(f.plain.err) == hush.ErrUnsupported:
		q.letDown = true
		return nil // a plain fetch may do better
	}
	return f.plain
}
