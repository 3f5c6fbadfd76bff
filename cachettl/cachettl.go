// Package cachettl caches the secrets of another Provider in memory, each for a
// TTL.
//
// A hit takes no lock, allocates nothing and writes to no memory that other cores
// read, so that hits scale with the cores. A miss starts one fetch for its key.
// The fetch is detached from the Get that started it: other Gets join it, and each
// Get leaves when its own context ends. The cache holds no lock while it calls the
// store.
//
// A time limit has passed when either the wall clock or the monotonic clock says
// so, because the monotonic clock may stand still in a frozen function, and the
// wall clock can be set back. Expiry and refresh happen during the next Get. Only
// while a fetch is in flight, a timer checks that the process runs.
//
// The cache does not return to an older version by accident, although a cache
// behind it may hold one for minutes. The secret of a fallback store never
// replaces a secret that may still be served.
package cachettl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// source is the Provider in the errors of the cache itself.
const source = "cachettl"

// A Cache is a Provider that caches the secrets of another Provider. It is safe
// for concurrent use.
type Cache struct {
	next  hush.Provider
	ttl   time.Duration
	opts  Options
	now   clock.Func
	calls semaphore // bounds the concurrent calls of next

	// timedOut is the cause with which the context of a fetch ends at FetchTimeout.
	// It has a class, so that a provider can tell it from the end of a caller's
	// context.
	timedOut *hush.Error

	table table
	hits  *xsync.Counter // striped, because every core counts hits; nil: not counted

	mu        sync.Mutex // guards the fields below, and every change to table
	stats     Stats      // without Hits, Stale, Misses and Entries
	launched  uint64     // number of fetches that were launched
	watchdog  watchdog
	waitLimit waitLimit // for Gets of any secret
	callbacks []func()  // to run once mu is free
	closed    bool

	staleGets, misses atomic.Uint64
	active            sync.WaitGroup // fetches in flight
}

var _ hush.Provider = (*Cache)(nil)

// New returns a Cache that keeps each secret of next for ttl from the start of its
// fetch. If ttl is zero or negative, the cache keeps no secret, but concurrent Gets
// share one fetch. Nil opts means the defaults. New panics if next
// is nil.
func New(next hush.Provider, ttl time.Duration, opts *Options) *Cache {
	if next == nil {
		panic("cachettl: next is nil")
	}
	if opts == nil {
		opts = &Options{}
	}
	c := &Cache{next: next, ttl: ttl, opts: opts.withDefaults()}
	c.now, c.calls = c.opts.now, newSemaphore(c.opts.MaxFetches)
	c.table = newTable(c.opts.MaxEntries)
	c.stats.Failures = map[hush.Class]uint64{}
	if c.opts.CountHits {
		c.hits = xsync.NewCounter()
	}
	c.timedOut = hush.NewError(source, hush.Ref{}, hush.ErrUnavailable,
		fmt.Errorf("no response within the fetch timeout of %v", c.opts.FetchTimeout))
	return c
}

// Get returns the secret that ref names, from memory if possible. It fails if ctx
// is done, even on a hit. A Fresh ref is always fetched. A ref that is NewerThan a
// secret is served from memory if the cached secret differs from that secret. The
// field of ref is selected from the cached secret. A missing field is ErrNotFound,
// and the secret stays in the cache.
func (c *Cache) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	r, err := c.get(ctx, &ref)
	if err != nil {
		return hush.Secret{}, err
	}
	secret, err := r.selectField(&ref)
	if err != nil {
		return hush.Secret{}, err
	}
	return *secret, nil
}

// get returns the record from which a Get of ref selects its result.
func (c *Cache) get(ctx context.Context, ref *hush.Ref) (*record, error) {
	if err := ctx.Err(); err != nil {
		return nil, hush.NewError(source, *ref, hush.ErrCanceled, err)
	}
	if _, fresh := ref.Freshness(); !fresh {
		if r := c.hit(c.table.find(ref)); r != nil {
			return r, nil
		}
	}
	return c.getSlow(ctx, *ref)
}

// hit returns e's record if it can be served without the lock, or nil.
func (c *Cache) hit(e *entry) *record {
	if e == nil {
		return nil
	}
	r := e.record.Load()
	if r == nil || c.now().Reached(r.hitUntil) {
		return nil
	}
	e.touch()
	c.countHit()
	return r
}

// Forget drops the cached secrets of refs or, without refs, all secrets. A running
// fetch still returns its secret to the Gets that wait for it, but the secret is
// not kept. After Forget, fetches are fresh until the store has responded, or until
// two of them have returned a fallback, because a cache behind this one could return
// the old value. If next does not support fresh requests, they are plain.
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
		if ref.Validate() == nil { // an invalid ref has no entry
			entries = append(entries, c.table.findOrAdd(ref.Key()))
		}
	}
	for _, e := range entries {
		e.forget()
		c.table.retain(e)
	}
}

// unlock releases mu and then runs the callbacks that were added under it.
func (c *Cache) unlock() {
	callbacks := c.callbacks
	c.callbacks = nil
	c.mu.Unlock()
	for _, callback := range callbacks {
		c.runCallback(callback)
	}
}

// runCallback runs a callback of the program. If the callback panics, neither a
// goroutine of the cache ends the process, nor does a Get lose its secret.
func (c *Cache) runCallback(callback func()) {
	defer func() {
		if recover() != nil {
			c.mu.Lock()
			c.stats.CallbackPanics++
			c.mu.Unlock()
		}
	}()
	callback()
}

var errClosed = errors.New("cache closed")

// Close drops all secrets, cancels the running fetches and waits for them. It
// leaves next open. After Close, Get fails with ErrUnavailable. Close may be
// called again; it always returns nil.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, e := range c.table.entries() {
		if e.fetch != nil {
			e.fetch.abort(errClosed)
		}
	}
	c.table.clear()
	c.mu.Unlock()
	c.active.Wait()
	return nil
}
