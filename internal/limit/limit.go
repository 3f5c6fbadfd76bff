// Package limit gives a call a time limit of its own that never looks like the
// caller's.
package limit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
)

// Context returns ctx limited to d, with a cause that says whose limit it was.
// It is ctx itself, at no cost, if d is not positive or ctx ends sooner anyway.
func Context(ctx context.Context, d time.Duration, whose string) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, func() {}
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, exceeded{whose, d})
}

// exceeded is made for each call, and read for few.
type exceeded struct {
	whose string
	limit time.Duration
}

func (e exceeded) Error() string {
	limit := e.limit
	if limit > time.Millisecond { // what is left of another may have any number of digits
		limit = limit.Round(time.Millisecond)
	}
	return fmt.Sprintf("%s took longer than its limit of %v", e.whose, limit)
}

// Cut returns the class and the cause of a call that failed while caller or
// limited, made from caller by Context, was done, and ok false if neither is.
// last is the class of the last real answer that the call had, or zero.
//
// The caller's own end is ErrCanceled wrapping its error; a limit of ours is
// ErrUnavailable, as text. A real answer keeps its class in both.
func Cut(caller, limited context.Context, last hush.Class) (class hush.Class, cause error, ok bool) {
	class = last
	switch {
	case caller.Err() != nil:
		if class == 0 {
			class = hush.ErrCanceled
		}
		return class, caller.Err(), true
	case limited.Err() != nil:
		if class == 0 {
			class = hush.ErrUnavailable
		}
		return class, errors.New(context.Cause(limited).Error()), true
	}
	return 0, nil, false
}
