// Package limit adds a timeout to a context, and distinguishes it from the caller's
// deadline.
package limit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
)

// Context returns ctx with the timeout d. The cause of its end says that whose took longer
// than d. Context returns ctx itself if d is not positive, or if ctx ends sooner.
func Context(ctx context.Context, d time.Duration, whose string) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, func() {}
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, exceeded{whose, d})
}

// exceeded formats its text only when it is needed, because each call creates one.
type exceeded struct {
	whose string
	limit time.Duration
}

func (e exceeded) Error() string {
	limit := e.limit
	if limit > time.Millisecond { // the rest of another timeout may have many digits
		limit = limit.Round(time.Millisecond)
	}
	return fmt.Sprintf("%s took longer than its limit of %v", e.whose, limit)
}

// Cut returns the class and the cause of a call that ended because caller or limited
// ended. Context made limited from caller. ok is false if both contexts are alive. last is
// the class of the last response during the call, or zero.
//
// If caller ended, the class is ErrCanceled, and the cause is the error of caller. If only
// limited ended, the class is ErrUnavailable, and the cause is a text. In both cases, a
// class in last takes precedence.
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
