package vault

import (
	"context"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// maxRenewalWait limits how long a read waits for the renewal of a token or a lease that
// it can still use.
const maxRenewalWait = time.Second

// A flight is a login, a renewal or a request that is made once for all callers that
// wait for it. It has its own timeout, so that the caller that started it cannot cancel
// it for the others.
type flight[T any] struct {
	done     chan struct{}
	cancel   context.CancelFunc
	deadline clock.Instant // a flight that has passed it was frozen, and is abandoned
	result   T             // set, with err, before done is closed
	err      error
	statuses *route.StatusRecorder
}

// startFlight calls fn in a new goroutine, and then settle with the result unless settle
// is nil. The error that callers receive has a class, because only the flight knows
// whether its own timeout caused it.
func startFlight[T any](ctx context.Context, s *session, fn func(context.Context) (T, error), settle func(*flight[T], T, error)) *flight[T] {
	detached := context.WithoutCancel(ctx)
	limited, cancel := limit.Context(detached, s.flightTimeout, "Vault")
	limited, statuses := route.WithStatusRecorder(limited)
	f := &flight[T]{
		done: make(chan struct{}), cancel: cancel, deadline: s.now().Add(s.flightTimeout), statuses: statuses,
		err: call.Failf(hush.ErrUnavailable, "the login method ended its goroutine"),
	}
	go func() {
		defer close(f.done)
		defer cancel()
		result, err := call.Recover(limited, fn)
		if settle != nil {
			settle(f, result, err)
		}
		if err != nil {
			err = classify(detached, limited, statuses, err)
		}
		f.result, f.err = result, err
	}()
	return f
}

// wait returns the result of f, or the error of ctx if ctx ends first. In that case, the
// last response to f decides the class of the caller's error.
func (f *flight[T]) wait(ctx context.Context) (result T, err error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		if !f.isDone() {
			route.SetStatus(ctx, f.statuses.Last())
			return result, ctx.Err()
		}
	}
	return f.result, f.err
}

func (f *flight[T]) isDone() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// waitBriefly is wait for a caller that can go on without the result. It waits for at
// most half of the caller's remaining time, and for at most maxRenewalWait.
func (f *flight[T]) waitBriefly(ctx context.Context) (T, error) {
	timeout := maxRenewalWait
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return f.wait(ctx)
}

// inFlight reports whether f is still worth waiting for. It cancels a flight that has
// passed its deadline: a freeze interrupted it, and its connection is dead.
func (f *flight[T]) inFlight(now clock.Instant) bool {
	if f == nil || f.isDone() {
		return false
	}
	if now.Reached(f.deadline) {
		f.cancel()
		return false
	}
	return true
}
