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

// Options change how a Cache works. The zero value of each is its default; nil
// Options are all defaults.
type Options struct {
	// MaxEntries bounds the secrets held. 0 is 1,000. The one to go is about the
	// least recently used; fetches that run are not counted.
	MaxEntries int

	// FetchTimeout bounds one fetch, which has no caller's deadline. 0 is 5 s. A
	// fetch that is older, by either clock, is abandoned: nobody joins it, and its
	// late answer is dropped.
	FetchTimeout time.Duration

	// MinRefresh is how long a NewerThan that found nothing new is believed, so
	// that callers whose secret was rejected do not flood the store. 0 is 1 s;
	// negative is none.
	MinRefresh time.Duration

	// now reads the clocks; tests set it.
	now clock.Func
}

func (o Options) withDefaults() Options {
	if o.MaxEntries <= 0 {
		o.MaxEntries = 1000
	}
	if o.FetchTimeout <= 0 {
		o.FetchTimeout = 5 * time.Second
	}
	if o.MinRefresh == 0 {
		o.MinRefresh = time.Second
	}
	if o.now == nil {
		o.now = clock.New()
	}
	return o
}

// A Cache is a Provider that remembers what next answered. It is safe for
// concurrent use.
type Cache struct {
	next hush.Provider
	ttl  time.Duration
	opt  Options
	now  clock.Func

	table table

	mu     sync.Mutex // guards all that follows, and every change to table
	asked  uint64     // fetches started so far
	closed bool
	ending context.Context // done when the cache is closed
	end    context.CancelCauseFunc
	active sync.WaitGroup // fetches that have not ended
}

var _ hush.Provider = (*Cache)(nil)

// New returns a Cache that keeps each secret of next for ttl from the start of
// the fetch that brought it. A ttl of zero or less keeps nothing, but concurrent
// calls still share one fetch.
func New(next hush.Provider, ttl time.Duration, o *Options) *Cache {
	if next == nil {
		panic("cachettl: next is nil")
	}
	if o == nil {
		o = &Options{}
	}
	opt := o.withDefaults()
	c := &Cache{next: next, ttl: ttl, opt: opt, now: opt.now, table: table{most: opt.MaxEntries}}
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
		if e := c.table.find(ref); e != nil {
			if h := e.held.Load(); h != nil && !c.now().Reached(h.fresh) {
				e.touch()
				return h.pick(ref)
			}
		}
	}
	return c.miss(ctx, ref)
}

// Forget drops what is held for refs, or everything if there are none. A fetch
// that is running still answers those who wait for it and is not kept, and the
// first fetch afterwards is a fresh one where next supports that: otherwise a
// cache behind this one could bring the old value back.
func (c *Cache) Forget(refs ...hush.Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if len(refs) == 0 {
		for _, e := range c.table.ring {
			e.forget()
		}
		return
	}
	for _, ref := range refs {
		if ref.Validate() != nil {
			continue // nothing is held for it, and nothing ever will be
		}
		e := c.entry(ref.Whole())
		e.forget()
		c.table.keep(e)
	}
}

var errClosed = errors.New("cache closed")

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
