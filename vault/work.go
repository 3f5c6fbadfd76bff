package vault

import (
	"context"
	"errors"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// A work is something that is done once for all who wait for it. It is detached
// from the caller that began it and has a limit of its own.
type work[T any] struct {
	done     chan struct{}
	cancel   context.CancelFunc
	deadline clock.Instant // past it, the work was frozen and is not waited for
	about    T             // what it replaces, or the zero value
	got      T             // and err: set before done is closed
	err      error
	x        *route.StatusRecorder // what its requests were answered
}

var errGone = call.Fail(hush.ErrUnavailable, errors.New("the login method ended its goroutine"))

// begin starts fn. An error of it is classified, because whose limit it was
// that ended it is known here alone.
func begin[T any](ctx context.Context, now clock.Func, timeout time.Duration, fn func(context.Context) (T, error)) *work[T] {
	detached := context.WithoutCancel(ctx)
	limited, cancel := limit.Context(detached, timeout, "Vault")
	limited, x := route.WithStatusRecorder(limited)
	w := &work[T]{done: make(chan struct{}), cancel: cancel, deadline: now().Add(timeout), err: errGone, x: x}
	go func() {
		defer close(w.done)
		defer cancel()
		if w.got, w.err = fn(limited); w.err != nil {
			w.err = classify(detached, limited, x, w.err)
		}
	}()
	return w
}

// waitFor waits for w; with something in hand, for half of the time that there is,
// and not for longer than patience.
func (w *work[T]) waitFor(ctx context.Context, inHand bool) (T, error) {
	if inHand {
		limit := patience
		if deadline, ok := ctx.Deadline(); ok {
			limit = min(limit, time.Until(deadline)/2)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return w.wait(ctx)
}

// wait returns what came of w, or the error of ctx if that ends first. What Vault
// last answered to w is then the caller's last answer, too.
func (w *work[T]) wait(ctx context.Context) (T, error) {
	select {
	case <-w.done:
		return w.got, w.err
	default:
	}
	select {
	case <-w.done:
		return w.got, w.err
	case <-ctx.Done():
		route.SetStatus(ctx, w.x.Last())
		var none T
		return none, ctx.Err()
	}
}

// pending reports whether w goes on and is worth waiting for. One that a freeze
// outlived hangs on a connection that has died, and is ended.
func (w *work[T]) pending(now clock.Instant) bool {
	if w == nil {
		return false
	}
	select {
	case <-w.done:
		return false
	default:
	}
	if now.Reached(w.deadline) {
		w.cancel()
		return false
	}
	return true
}
