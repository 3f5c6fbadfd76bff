package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
)

// A link is a Link with its place in the chain.
type link struct {
	Link
	place   int // 1 for the first
	store   int // the index of the link that it fronts for, or its own
	breaker *breaker
}

// connect copies links. In the copies, Front is true only if there is a store after
// the link, and each link has a Policy.
func connect(links []Link, o Options) []link {
	connected := make([]link, len(links))
	store := -1
	for i := len(links) - 1; i >= 0; i-- {
		if !links[i].Front {
			store = i
		}
		l := link{
			Link: links[i], place: i + 1, store: store,
			breaker: newBreaker(o),
		}
		if store < 0 {
			l.Front, l.store = false, i
		}
		if l.Policy == nil {
			l.Policy = o.Policy
		}
		connected[i] = l
	}
	return connected
}

// limits reports whether a call of l with ctx has a limit: a Timeout or a share of the
// caller's time.
func (l *link) limits(ctx context.Context) bool {
	_, ok := ctx.Deadline()
	return ok || l.Timeout > 0
}

// limit returns ctx with the link's Timeout or with its share of the caller's time,
// whichever is shorter, and that time: zero if nothing limits the call. left is the
// number of links that may still be called, this link included. The last link may
// take all the time that is left.
func (l *link) limit(ctx context.Context, left int) (context.Context, context.CancelFunc, time.Duration) {
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

// minCutOff is how long a call that a deadline cuts off must have run to count as a
// failure of the link.
const minCutOff = time.Second

// verdict returns the class of a failed call for the breaker. took is the time that the
// call had if cut, which means that a deadline or the caller cut it off.
func (l *link) verdict(failure *hush.Error, end error, cut bool, took time.Duration) hush.Class {
	switch {
	case !cut:
		return failure.Class
	case errors.Is(end, context.Canceled):
		return hush.ErrCanceled
	case took >= minCutOff, l.Timeout > 0 && took >= l.Timeout:
		return hush.ErrUnavailable
	}
	return hush.ErrCanceled
}

// failed returns err, with which the link failed, as an attempt, and whether the end of
// limited, the context of the call, cut the call off. end is endOf the caller's context.
//
// A call that was cut off with the caller matches end. Any other error about a context
// is about a limit of the link or of the chain: it keeps its class, and its cause is
// text, because callers take context.DeadlineExceeded for their own.
func (l *link) failed(limited context.Context, end error, called hush.Ref, err error) (failure *hush.Error, cut bool) {
	class, cause := classAndCause(err, called)
	cut = cutOff(limited, class, err)
	switch {
	case cut && end != nil && aboutContext(end):
		class, cause = hush.ErrCanceled, ended(cause, end)
	case cut && end != nil:
		class, cause = hush.ErrUnavailable, end
	case cut, class == hush.ErrCanceled:
		class, cause = hush.ErrUnavailable, cutText(limited, err)
	case end != nil && outage(class):
		cause = ended(cause, end)
	case aboutContext(cause) && !errors.Is(cause, end):
		cause = errors.New(cause.Error())
	}
	return hush.NewError(l.Name, called, class, cause), cut
}

// cutOff reports whether a call ended with err because limited ended. An error of
// another class than ErrCanceled is a result that the store had before.
func cutOff(limited context.Context, class hush.Class, err error) bool {
	if _, ok := errors.AsType[batchLimit](err); ok {
		return true
	}
	end := limited.Err()
	return end != nil && (class == hush.ErrCanceled || !classed(err) && errors.Is(err, end))
}

// cutText says why a call ended that was cut off while the caller's context lives.
func cutText(limited context.Context, err error) error {
	if cause := context.Cause(limited); cause != nil {
		return errors.New(cause.Error())
	}
	return errors.New(err.Error())
}

// endOf returns why the caller's context has ended, or nil. This is the error of the
// context or, if its cause has a class, the text of the cause: a cache's FetchTimeout is
// not the end of a caller.
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

// classOfEnd returns the class of a call that end cut off.
func classOfEnd(end error) hush.Class {
	if aboutContext(end) {
		return hush.ErrCanceled
	}
	return hush.ErrUnavailable
}

// classAndCause returns the class of a link's err and the cause below it. An attempt
// states its class and Ref itself, so they are not repeated.
func classAndCause(err error, called hush.Ref) (hush.Class, error) {
	switch e := err.(type) {
	case *hush.Error:
		switch {
		case e == nil:
			return hush.ErrUnavailable, nil
		case e.Ref == called:
			return hush.ClassOf(e), e.Err
		}
	case hush.Class:
		return hush.ClassOf(e), nil
	}
	return hush.ClassOf(err), err
}

// classed reports whether err states its class.
func classed(err error) bool {
	_, isError := errors.AsType[*hush.Error](err)
	_, isClass := errors.AsType[hush.Class](err)
	return isError || isClass
}

func aboutContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, hush.ErrCanceled)
}

// ended returns cause so that it matches end.
func ended(cause, end error) error {
	switch {
	case cause == nil:
		return end
	case errors.Is(cause, end):
		return cause
	}
	return fmt.Errorf("%v: %w", cause, end)
}
