package cachettl

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
)

var (
	errGoexit  = errors.New("the provider ended its goroutine")
	errDropped = errors.New("no Get waits for the fetch any more")
)

// unavailable returns an ErrUnavailable of the cache itself.
func unavailable(ref hush.Ref, cause error) error {
	return hush.NewError(source, ref, hush.ErrUnavailable, cause)
}

// run makes the calls of f and ends f, also if next panics or ends the goroutine.
func (c *Cache) run(f *fetch) {
	secret, err := hush.Secret{}, errGoexit
	defer func() {
		if err == errGoexit { // not errors.Is, because next may be a Cache that returned it
			err = unavailable(f.entry.ref, errGoexit)
		}
		c.finish(f, secret, err)
	}()
	secret, err = c.call(f, false)
	if err == nil && !f.fresh && c.isOlder(f.entry, secret) {
		secret, err = c.confirm(f, secret)
	}
}

// isOlder reports whether s was created before the last secret of the store. It
// may come from a cache behind this one, or from a rollback.
func (c *Cache) isOlder(e *entry, s hush.Secret) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.lastSecret != nil && !degraded(s) && older(s, *e.lastSecret)
}

// confirm makes a fresh request, whose result decides. If next does not support
// fresh requests, confirm returns the older secret s.
func (c *Cache) confirm(f *fetch, s hush.Secret) (hush.Secret, error) {
	confirmed, err := c.call(f, true)
	switch hush.ClassOf(err) {
	case 0, hush.ErrNotFound, hush.ErrDenied:
		return confirmed, err
	case hush.ErrUnsupported:
		return s, nil
	}
	return hush.Secret{}, unavailable(f.entry.ref,
		fmt.Errorf("the store returned an older version, and a fresh read to confirm it failed: %w", err))
}

// call makes the request of f, or the fresh request that confirms its result. An
// error of f's context becomes text, because the contexts of the waiting Gets have
// not ended.
func (c *Cache) call(f *fetch, confirming bool) (secret hush.Secret, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = unavailable(f.entry.ref, fmt.Errorf("the provider panicked with a %T", v))
		}
	}()
	secret, err = c.callNext(f, confirming)
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

// callNext calls next once, or takes f's part of a batch.
func (c *Cache) callNext(f *fetch, confirming bool) (hush.Secret, error) {
	if f.batch != nil && !confirming {
		return c.callBatch(f)
	}
	end, err := c.beginCall(f, confirming)
	if err != nil {
		return hush.Secret{}, unavailable(f.entry.ref, err)
	}
	defer end()
	if confirming {
		return c.next.Get(f.ctx, f.ref.Fresh())
	}
	return c.next.Get(f.ctx, f.ref)
}

// beginCall waits until f, or its batch, may call next. It fails if f has ended by
// then.
func (c *Cache) beginCall(f *fetch, confirming bool) (end func(), err error) {
	end, err = c.calls.acquire(f.ctx)
	if err == nil && !confirming && !c.markCalling(f) {
		end()
		return nil, errDropped
	}
	return end, err
}

// markCalling marks f, and the fetches that are one call with it. It reports whether
// the call is needed, because one of them has not ended.
func (c *Cache) markCalling(f *fetch) (needed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range f.together() {
		if !f.ended {
			f.calling, needed = true, true
			c.stats.Fetches++
		}
	}
	return needed
}

// causeText returns why ctx ended, without the Ref and the class.
func causeText(ctx context.Context) string {
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*hush.Error](cause); ok {
		cause = e.Err
	}
	return cause.Error()
}
