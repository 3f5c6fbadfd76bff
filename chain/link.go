package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
)

// A link is a Link with its position in the chain.
type link struct {
	Link         // Front is false if no store follows
	position int // from 1
	store    int // the index of the link that it fronts for, or its own
	breaker  *breaker
}

func connect(links []Link, o Options) []link {
	connected := make([]link, len(links))
	store := -1
	for i, l := range slices.Backward(links) {
		if !l.Front {
			store = i
		}
		l.Front = l.Front && store >= 0
		b := &breaker{opts: o.Breaker, now: o.now, jitter: o.jitter}
		connected[i] = link{Link: l, position: i + 1, store: i, breaker: b}
		if l.Front {
			connected[i].store = store
		}
	}
	return connected
}

// continues reports whether the lookup continues after l failed with class. It is true
// for ErrCanceled because the end of the caller's context, not the Policy, ends the lookup.
func (l *link) continues(class hush.Class) bool {
	switch {
	case class == hush.ErrInvalidRef:
		return false
	case l.Front, l.Policy == nil, class == hush.ErrCanceled, notParticipating(class):
		return true
	}
	return l.Policy(class)
}

// hasLimit reports whether a call of l with ctx has a limit: a Timeout or a share of the
// caller's time.
func (l *link) hasLimit(ctx context.Context) bool {
	_, ok := ctx.Deadline()
	return ok || l.Timeout > 0
}

// withLimit returns ctx with the link's Timeout or its share of the caller's time,
// whichever is shorter, and that time. The time is zero if nothing limits the call. left
// is the number of links that may still be called, this link included. The last link gets
// all of the caller's time.
func (l *link) withLimit(ctx context.Context, left int) (context.Context, context.CancelFunc, time.Duration) {
	d, whose := l.Timeout, l.Name
	if deadline, ok := ctx.Deadline(); ok {
		if share := time.Until(deadline) / time.Duration(left); d <= 0 || share < d {
			if d = share; left > 1 {
				whose += ", given its share of the caller's time,"
			}
		}
	}
	limited, cancel := limit.Context(ctx, d, whose)
	return limited, cancel, d
}

// minInterrupted is how long a call must have run to count as a failure of the link if a
// deadline interrupted it.
const minInterrupted = time.Second

// breakerClass returns the class of a failed call for the breaker. ran is how long the
// call ran if a deadline or the caller interrupted it.
func (l *link) breakerClass(failure *hush.Error, end error, interrupted bool, ran time.Duration) hush.Class {
	switch {
	case !interrupted:
		return failure.Class
	case errors.Is(end, context.Canceled):
		return hush.ErrCanceled
	case ran >= minInterrupted, l.Timeout > 0 && ran >= l.Timeout:
		return hush.ErrUnavailable
	}
	return hush.ErrCanceled
}

// classify returns the failure of a call that returned err, and whether the end of
// limited, the context of the call, interrupted it. end is endOf the caller's context.
//
// If the caller's context interrupted the call, the failure matches end. Any other
// context error comes from a limit of the link or the chain. Its class stays, but its
// cause becomes text, because callers would take context.DeadlineExceeded for their own.
func (l *link) classify(limited context.Context, end error, ref hush.Ref, err error) (failure *hush.Error, interrupted bool) {
	class, cause := classAndCause(err, ref)
	interrupted = isInterrupted(limited, class, err)
	switch {
	case interrupted && end != nil && isContextError(end):
		class, cause = hush.ErrCanceled, wrapEnd(cause, end)
	case interrupted && end != nil:
		class, cause = hush.ErrUnavailable, end
	case interrupted, class == hush.ErrCanceled:
		class, cause = hush.ErrUnavailable, errors.New(cmp.Or(context.Cause(limited), err).Error())
	case end != nil && isOutage(class):
		cause = wrapEnd(cause, end)
	case isContextError(cause) && !errors.Is(cause, end):
		cause = errors.New(cause.Error())
	}
	return hush.NewError(l.Name, ref, class, cause), interrupted
}

// isInterrupted reports whether a call returned err because limited ended. An error with
// a class other than ErrCanceled is a response that came before.
func isInterrupted(limited context.Context, class hush.Class, err error) bool {
	if _, ok := errors.AsType[batchLimit](err); ok {
		return true
	}
	end := limited.Err()
	return end != nil && (class == hush.ErrCanceled || !hasClass(err) && errors.Is(err, end))
}

// endOf returns why the caller's context has ended, or nil. If the cause of the context
// is a *hush.Error, endOf returns its text, because a FetchTimeout of a cache is not the
// end of a caller.
func endOf(ctx context.Context) error {
	end := ctx.Err()
	if end == nil {
		return nil
	}
	if e, ok := errors.AsType[*hush.Error](context.Cause(ctx)); ok && e != nil && e.Err != nil {
		return errors.New(e.Err.Error())
	}
	return end
}

// classOfEnd returns the class of a call that end interrupted.
func classOfEnd(end error) hush.Class {
	if isContextError(end) {
		return hush.ErrCanceled
	}
	return hush.ErrUnavailable
}

// classAndCause returns the class of a link's err and its cause without the class and
// Ref, which the attempt states itself.
func classAndCause(err error, ref hush.Ref) (hush.Class, error) {
	switch e := err.(type) {
	case *hush.Error:
		switch {
		case e == nil:
			return hush.ErrUnavailable, nil
		case e.Ref == ref:
			return hush.ClassOf(e), e.Err
		}
	case hush.Class:
		return hush.ClassOf(e), nil
	}
	return hush.ClassOf(err), err
}

// hasClass reports whether err states its class. It allocates, so it is called last.
func hasClass(err error) bool {
	_, isError := errors.AsType[*hush.Error](err)
	_, isClass := errors.AsType[hush.Class](err)
	return isError || isClass
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, hush.ErrCanceled)
}

// wrapEnd returns an error with the text of cause that matches end.
func wrapEnd(cause, end error) error {
	switch {
	case cause == nil:
		return end
	case errors.Is(cause, end):
		return cause
	}
	return fmt.Errorf("%v: %w", cause, end)
}
