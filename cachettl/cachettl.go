// Package cachettl keeps secrets in memory for a time to live, in front of any
// Provider.
//
// A hit takes no lock, allocates nothing and starts nothing. A miss starts one
// fetch for its key, detached from the caller that started it: others join it,
// each leaves by its own context, and nobody's end fails the others. No lock is
// held while a store is asked.
//
// Time is read from two clocks and a limit is over when either says so, because
// in Lambda the monotonic clock may stand still while the environment is frozen,
// and anywhere the wall clock can be set back. No goroutine has to tick: what is
// due is done by the next Get.
//
// The cache never goes back to an older version by accident (a store's own cache
// may hold one for minutes), and it never lets the answer of a fallback store
// replace one that is still good.
package cachettl

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// source is the Provider of the errors that the cache itself makes.
const source = "cachettl"

// A Cache is a Provider that remembers what next answered. It is safe for
// concurrent use.
type Cache struct {
	next hush.Provider
	ttl  time.Duration
	opt  Options
	now  clock.Func

	table table

	counts counts

	mu     sync.Mutex // guards all that follows, and every change to table
	asked  uint64     // fetches started so far
	calls  []func()   // callbacks that are due once mu is free
	closed bool
	ending context.Context // done when the cache is closed
	end    context.CancelCauseFunc
	active sync.WaitGroup // fetches that have not ended
}

var _ hush.Provider = (*Cache)(nil)

// New returns a Cache that keeps each secret of next for ttl from the start of
// the fetch that brought it. With a ttl of zero or less nothing is served from
// memory, but concurrent calls still share one fetch.
func New(next hush.Provider, ttl time.Duration, o *Options) *Cache {
	if next == nil {
		panic("cachettl: next is nil")
	}
	if o == nil {
		o = &Options{}
	}
	opt := o.withDefaults()
	c := &Cache{next: gather(next), ttl: ttl, opt: opt, now: opt.now}
	c.table = table{most: opt.MaxEntries, gone: func(e *entry) { c.counts.hits.Add(e.hits.Load()) }}
	c.ending, c.end = context.WithCancelCause(context.Background())
	return c
}

// Get returns the secret that ref names, from memory if it can. A context that is
// done is an error even then. A ref that is Fresh is always asked of next; one
// that is NewerThan a secret is answered from memory if what is held differs
// from that secret. The field of ref is taken from the whole secret, which is
// what is cached: a field that is missing is ErrNotFound and drops nothing.
func (c *Cache) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
	}
	if _, fresh := ref.Freshness(); !fresh {
		if e := c.table.find(&ref); e != nil {
			if h := c.live(e); h != nil {
				if ref.Field == "" {
					return h.secret, h.err
				}
				return h.pick(ref)
			}
		}
	}
	return c.miss(ctx, ref)
}

// live returns what e holds if it can be served at a glance.
func (c *Cache) live(e *entry) *held {
	h := e.held.Load()
	if h == nil || c.now().Reached(h.ahead) {
		return nil
	}
	e.touch()
	e.hits.Add(1)
	return h
}

// Warm fetches what of refs is not held, several at a time, so that the first
// readers need not wait. It returns the joined errors, as hush.Errors does.
func (c *Cache) Warm(ctx context.Context, refs ...hush.Ref) error {
	return hush.Errors(hush.GetAll(ctx, c, refs...))
}

// Forget drops what is held for refs, or all that is held if there are none. A fetch
// that is running still answers those who wait for it and is not kept, and the
// first fetch afterwards is a fresh one where next supports that: otherwise a
// cache behind this one could bring the old value back.
func (c *Cache) Forget(refs ...hush.Ref) {
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return
	}
	var entries []*entry
	if len(refs) == 0 {
		entries = c.table.entries()
	}
	for _, ref := range refs {
		if ref.Validate() == nil { // else nothing is held for it, nor ever will be
			entries = append(entries, c.entry(ref.Whole()))
		}
	}
	for _, e := range entries {
		e.forget()
		c.table.keep(e)
	}
}

var errClosed = errors.New("cache closed")

// unlock frees mu and then makes the callbacks that became due under it.
func (c *Cache) unlock() {
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

// Close drops everything, cancels the fetches that run and waits for them. It
// leaves next open. A Get afterwards is ErrUnavailable. Close may be called
// again; it always returns nil.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.table.clear()
	c.mu.Unlock()
	c.end(errClosed)
	c.active.Wait()
	return nil
}
