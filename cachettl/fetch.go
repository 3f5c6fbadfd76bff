package cachettl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// grace is how long a fetch whose context ended may take to return its error. After
// that the cache ends the fetch, although the provider ignores its context.
const grace = 50 * time.Millisecond

// A fetch is one request to the next provider, detached from the Get that started
// it. It is pending until launch, and then in flight until release.
type fetch struct {
	entry  *entry
	fresh  bool
	batch  *batch // that the request is part of, or nil
	number uint64 // in order of launch; 0 while pending
	begun  clock.Instant
	limit  clock.Instant // FetchTimeout after begun
	ctx    context.Context
	cancel context.CancelFunc
	abort  context.CancelCauseFunc // cancels ctx with a cause
	unhook func() bool             // from the end of ctx

	waiters int  // Gets that wait
	calling bool // its turn came, and next is called
	left    bool // a Get returned a stale secret and left the fetch in flight

	stops              uint64 // number of stops at launch
	followsInterrupted bool   // the fetch before it was interrupted
	fullWaitAt         uint64 // 1 + number of stops when a Get last waited in full

	ttl       time.Duration // of the secret that it returned
	forgotten bool          // the result is for the waiting Gets and is not kept
	over      bool          // a later result is dropped

	// The results are set before done is closed, and read afterwards.
	done      chan struct{}
	abandoned bool    // there is no result: waiting Gets look again
	plain     *record // for plain Gets
	exact     *record // for Fresh and NewerThan
}

// newFetch returns a pending fetch with the values of ctx, but not its end.
func newFetch(ctx context.Context, e *entry, fresh bool) *fetch {
	return &fetch{entry: e, fresh: fresh, ctx: context.WithoutCancel(ctx), done: make(chan struct{})}
}

// start launches a fetch for e: a fresh one if e was forgotten.
func (c *Cache) start(ctx context.Context, e *entry, fresh bool, now clock.Instant) *fetch {
	f := newFetch(ctx, e, fresh || e.freshFirst > 0)
	c.launch(f, now)
	return f
}

// queueFresh returns the pending fresh fetch.
func (e *entry) queueFresh(ctx context.Context) *fetch {
	if e.nextFresh == nil {
		e.nextFresh = newFetch(ctx, e, true)
	}
	return e.nextFresh
}

// queuePlain returns the pending plain fetch, for plain Gets that joined a fresh
// one that was Unsupported. It precedes the fresh one, because otherwise a stream
// of fresh Gets could keep them waiting.
func (e *entry) queuePlain(ctx context.Context) *fetch {
	if e.nextPlain == nil {
		e.nextPlain = newFetch(ctx, e, false)
	}
	return e.nextPlain
}

func (c *Cache) launch(f *fetch, now clock.Instant) {
	c.launched++
	f.number, f.begun = c.launched, now
	f.limit = now.Add(c.opts.FetchTimeout)
	f.ctx, f.abort = context.WithCancelCause(f.ctx)
	f.ctx, f.cancel = context.WithTimeoutCause(f.ctx, c.opts.FetchTimeout, c.timedOut)
	f.unhook = context.AfterFunc(f.ctx, func() { c.giveUp(f) })
	c.enterFlight(f)
	go c.run(f)
}

// timeout returns the error of a fetch for ref that reached FetchTimeout.
func (c *Cache) timeout(ref hush.Ref) *hush.Error {
	return hush.NewError(source, ref, hush.ErrUnavailable, c.timedOut.Err)
}

// age returns the time since the launch of f.
func (f *fetch) age(now clock.Instant) time.Duration {
	if f.number == 0 {
		return 0
	}
	return now.Since(f.begun)
}

var errGoexit = errors.New("the provider ended its goroutine")

// run calls next and completes f, also if next panics or ends the goroutine.
func (c *Cache) run(f *fetch) {
	secret, err := hush.Secret{}, errGoexit
	defer func() {
		if err == errGoexit { // not errors.Is, because next may be a Cache that returned it
			err = hush.NewError(source, f.entry.ref, hush.ErrUnavailable, errGoexit)
		}
		c.finish(f, secret, err)
	}()
	secret, err = c.call(f, f.fresh)
	if err == nil && !f.fresh && c.goesBack(f.entry, secret) {
		secret, err = c.confirm(f, secret)
	}
}

// call calls next. An error of f's context becomes text, because the contexts of
// the waiting Gets have not ended.
func (c *Cache) call(f *fetch, fresh bool) (secret hush.Secret, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = hush.NewError(source, f.entry.ref, hush.ErrUnavailable, fmt.Errorf("the provider panicked with a %T", v))
		}
	}()
	ref := f.entry.ref
	if fresh {
		ref = ref.Fresh()
	}
	secret, err = c.callNext(f, ref)
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
		text = causeText(f.ctx) + ": " + text
	}
	return hush.Secret{}, hush.NewError(source, f.entry.ref, class, errors.New(text))
}

// causeText returns why ctx ended, without the Ref and the class.
func causeText(ctx context.Context) string {
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*hush.Error](cause); ok {
		cause = e.Err
	}
	return cause.Error()
}

// goesBack reports whether s was created before the last secret of the store. It
// may come from a cache behind this one, or from a rollback.
func (c *Cache) goesBack(e *entry, s hush.Secret) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.last != nil && !degraded(s) && older(s, e.last.secret)
}

// confirm makes a fresh request, whose result decides. If next does not support
// fresh requests, the older secret s is taken.
func (c *Cache) confirm(f *fetch, s hush.Secret) (hush.Secret, error) {
	confirmed, err := c.call(f, true)
	switch hush.ClassOf(err) {
	case 0, hush.ErrNotFound, hush.ErrDenied:
		return confirmed, err
	case hush.ErrUnsupported:
		return s, nil
	}
	return hush.Secret{}, hush.NewError(source, f.entry.ref, hush.ErrUnavailable,
		fmt.Errorf("the store returned an older version, and a fresh read to confirm it failed: %w", err))
}

// giveUp ends a fetch whose context ended, if next ignores that.
func (c *Cache) giveUp(f *fetch) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
		err := error(hush.NewError(source, f.entry.ref, hush.ErrUnavailable, errors.New(causeText(f.ctx))))
		c.finish(f, hush.Secret{}, err)
	}
}

// release ends f: it wakes the Gets that wait for f, and launches the fetch that
// is pending.
func (c *Cache) release(f *fetch) {
	f.over = true
	f.unhook()
	f.cancel()
	c.leaveFlight(f)
	c.launchPending(f)
	c.counts.evictions.Add(c.table.retain(f.entry))
	close(f.done) // last, so that evictions precede the return of a Get
	c.active.Done()
}

// launchPending launches what waits for f to end. If f was a fresh fetch that was
// Unsupported, the pending fresh fetch has the same result.
func (c *Cache) launchPending(f *fetch) {
	e := f.entry
	plain, fresh := e.nextPlain, e.nextFresh
	e.nextPlain = nil
	switch {
	case c.closed:
		closed := &record{err: hush.NewError(source, e.ref, hush.ErrUnavailable, errClosed)}
		plain.endPending(closed)
		fresh.endPending(closed)
		plain, fresh = nil, nil
	case f.fresh && f.exact != nil && hush.ClassOf(f.exact.err) == hush.ErrUnsupported:
		fresh.endPending(f.exact)
		fresh = nil
	}
	e.nextFresh = fresh
	switch {
	case plain != nil:
		c.launch(plain, c.now())
	case fresh != nil:
		e.nextFresh = nil
		c.launch(fresh, c.now())
	}
}

// endPending ends a pending fetch with result.
func (f *fetch) endPending(result *record) {
	if f != nil {
		f.plain, f.exact, f.over = result, result, true
		close(f.done)
	}
}

// leave removes a Get that no longer waits for f.
func (c *Cache) leave(f *fetch) {
	c.mu.Lock()
	defer c.unlock()
	c.leaveLocked(f)
}

// leaveLocked removes a Get from f, and drops f after the last one if next has not
// been called and no older secret needs the refresh.
func (c *Cache) leaveLocked(f *fetch) {
	f.waiters--
	if f.over || f.needed() {
		return
	}
	switch e := f.entry; {
	case f == e.nextFresh:
		e.nextFresh = nil
	case f == e.nextPlain:
		e.nextPlain = nil
	case f.batch != nil:
		c.dropBatch(f.batch)
	default:
		f.abandoned = true
		c.release(f)
	}
}

// needed reports whether f must go on.
func (f *fetch) needed() bool { return f.waiters > 0 || f.calling || f.entry.good() != nil }

// result returns the result of f for r, or nil if r must look again.
func (f *fetch) result(r *request) *record {
	switch {
	case f.abandoned:
		r.lost++
		return nil
	case r.fresh:
		return f.exact
	case f.fresh && hush.ClassOf(f.plain.err) == hush.ErrUnsupported:
		r.retryPlain = true
		return nil
	}
	return f.plain
}
