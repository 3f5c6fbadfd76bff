package cachettl

import (
	"context"
	"errors"
	"slices"
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
	ref    hush.Ref // of the request
	fresh  bool     // ref is Fresh
	batch  *batch   // that the request is part of, or nil
	number uint64   // in order of launch; 0 while pending
	begun  clock.Instant
	ctx    context.Context
	cancel context.CancelFunc
	abort  context.CancelCauseFunc // cancels ctx with a cause
	detach func() bool             // keeps the end of ctx from calling forceEnd

	waiters    int  // Gets that wait
	calling    bool // the call of next has begun
	leftBehind bool // a Get returned a stale secret and left the fetch in flight

	stops              uint64 // number of stops at launch
	followsInterrupted bool   // the fetch before it was interrupted
	fullWaitAt         uint64 // 1 + number of stops when a Get last waited in full

	ttl       time.Duration // of the secret that it returned
	forgotten bool          // the result is for the waiting Gets and is not kept
	ended     bool          // a later result is dropped

	// The results are set before done is closed, and read afterwards.
	done        chan struct{}
	abandoned   bool    // there is no result: waiting Gets look again
	plainResult *record // for plain Gets
	freshResult *record // for Fresh and NewerThan
}

// newFetch returns a pending fetch with the values of ctx, but not its end.
func newFetch(ctx context.Context, e *entry, fresh bool) *fetch {
	f := &fetch{entry: e, ref: e.ref, fresh: fresh, ctx: context.WithoutCancel(ctx), done: make(chan struct{})}
	if fresh {
		f.ref = e.ref.Fresh()
	}
	return f
}

// start launches a fetch for e, as a part of req's batch if there is one. The fetch
// is fresh if req is, or if e was forgotten.
func (c *Cache) start(ctx context.Context, req *request, e *entry, now clock.Instant) *fetch {
	f := newFetch(ctx, e, req.fresh || e.freshLeft > 0)
	if f.batch = req.batch; f.batch != nil {
		f.batch.fetches = append(f.batch.fetches, f)
	}
	c.launch(f, now)
	return f
}

// pendingFetch returns *next, which is e.nextFresh or e.nextPlain, and sets it if
// there is none.
func (e *entry) pendingFetch(ctx context.Context, next **fetch, fresh bool) *fetch {
	if *next == nil {
		*next = newFetch(ctx, e, fresh)
	}
	return *next
}

func (c *Cache) launch(f *fetch, now clock.Instant) {
	c.launched++
	f.number, f.begun = c.launched, now
	f.ctx, f.abort = context.WithCancelCause(f.ctx)
	f.ctx, f.cancel = context.WithTimeoutCause(f.ctx, c.opts.FetchTimeout, c.timedOut)
	f.detach = context.AfterFunc(f.ctx, func() { c.forceEnd(f) })
	c.enterFlight(f)
	go c.run(f)
}

// age returns the time since the launch of f.
func (f *fetch) age(now clock.Instant) time.Duration {
	if f.number == 0 {
		return 0
	}
	return now.Since(f.begun)
}

// isLate reports whether f is past FetchTimeout.
func (c *Cache) isLate(f *fetch, now clock.Instant) bool { return f.age(now) >= c.opts.FetchTimeout }

// together returns the fetches that are one call with f, including f.
func (f *fetch) together() []*fetch {
	if f.batch != nil {
		return f.batch.fetches
	}
	return []*fetch{f}
}

// forceEnd ends a fetch whose context ended, if next ignores that.
func (c *Cache) forceEnd(f *fetch) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
		c.finish(f, hush.Secret{}, unavailable(f.entry.ref, errors.New(causeText(f.ctx))))
	}
}

// release ends f: it wakes the Gets that wait for f, and launches the fetch that
// is pending.
func (c *Cache) release(f *fetch) {
	f.ended = true
	f.detach()
	f.cancel()
	c.leaveFlight(f)
	c.launchPending(f)
	c.stats.Evictions += c.table.retain(f.entry)
	close(f.done) // last, so that evictions precede the return of a Get
	c.active.Done()
}

// launchPending launches the fetch that waits for the end of f. If f was a fresh
// fetch that was Unsupported, the pending fresh fetch has the same result.
func (c *Cache) launchPending(f *fetch) {
	e := f.entry
	plain, fresh := e.nextPlain, e.nextFresh
	e.nextPlain, e.nextFresh = nil, nil
	switch {
	case c.closed:
		closed := &record{err: unavailable(e.ref, errClosed)}
		plain.endPending(closed)
		fresh.endPending(closed)
		return
	case f.fresh && f.freshResult != nil && hush.ClassOf(f.freshResult.err) == hush.ErrUnsupported:
		fresh.endPending(f.freshResult)
		fresh = nil
	}
	switch {
	case plain != nil:
		e.nextFresh = fresh
		c.launch(plain, c.now())
	case fresh != nil:
		c.launch(fresh, c.now())
	}
}

// endPending ends a pending fetch with result.
func (f *fetch) endPending(result *record) {
	if f != nil {
		f.plainResult, f.freshResult, f.ended = result, result, true
		close(f.done)
	}
}

// leave removes a Get from f. After the last one it drops f, and the fetches that
// are one call with f, if next has not been called and no older secret needs the
// refresh.
func (c *Cache) leave(f *fetch) {
	f.waiters--
	if f.ended || slices.ContainsFunc(f.together(), (*fetch).isNeeded) {
		return
	}
	switch e := f.entry; f {
	case e.nextFresh:
		e.nextFresh = nil
	case e.nextPlain:
		e.nextPlain = nil
	default:
		for _, f := range f.together() {
			if !f.ended {
				f.abandoned = true
				c.release(f)
			}
		}
	}
}

// isNeeded reports whether f must go on.
func (f *fetch) isNeeded() bool { return f.waiters > 0 || f.calling || f.entry.fromStore() != nil }

// result returns the result of f for req, or nil if req must look again.
func (f *fetch) result(req *request) *record {
	switch {
	case f.abandoned:
		req.abandoned++
		return nil
	case req.fresh:
		return f.freshResult
	case f.fresh && hush.ClassOf(f.plainResult.err) == hush.ErrUnsupported:
		req.retryPlain = true
		return nil
	}
	return f.plainResult
}
