package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
)

// A link is a Link that knows its place.
type link struct {
	Link
	place   int // 1 for the first
	store   int // the index of the link that it fronts for, or its own
	breaker *breaker
}

// connect copies links. Of these, Front is true only where there is a store to
// front for, and each has a Policy.
func connect(links []Link, o Options) []link {
	connected := make([]link, len(links))
	store := -1
	for i := len(links) - 1; i >= 0; i-- {
		if !links[i].Front {
			store = i
		}
		l := link{
			Link: links[i], place: i + 1, store: store,
			breaker: &breaker{opt: o.Breaker, now: o.now, jitter: o.jitter},
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

// limit returns ctx with the link's Timeout or with its share of the caller's
// time, whichever is shorter. left counts the links that may still be asked, this
// one included; the last one may take all that is left.
func (l *link) limit(ctx context.Context, left int) (context.Context, context.CancelFunc) {
	d, whose := l.Timeout, l.Name
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		if share := time.Until(deadline) / time.Duration(left); d <= 0 || share < d {
			d, whose = share, l.Name+", given its share of the caller's time,"
		}
	}
	return limit.Context(ctx, d, whose)
}

// failed returns err, which the link answered, as an attempt. limited is the
// context that the link was given, and end the caller's ctx.Err().
//
// A call that was cut off by the caller matches end. An error about any other
// context is about a limit of the link's or of ours: it keeps its class, and its
// cause is text, because callers take context.DeadlineExceeded for their own.
func (l *link) failed(limited context.Context, end error, asked hush.Ref, err error) *hush.Error {
	class, cause := because(err, asked)
	switch {
	case end != nil && !classed(err) && errors.Is(err, end):
		class = hush.ErrCanceled
	case end != nil && (class == hush.ErrCanceled || outage(class)):
		cause = ended(cause, end)
	case class == hush.ErrCanceled:
		class, cause = hush.ErrUnavailable, cutText(limited, err)
	case aboutContext(cause) && !errors.Is(cause, end):
		cause = errors.New(cause.Error())
	}
	return hush.NewError(l.Name, asked, class, cause)
}

// because returns the class of a link's err and the cause below it. An attempt
// says itself what its class and Ref are, so they are not repeated.
func because(err error, asked hush.Ref) (hush.Class, error) {
	switch e := err.(type) {
	case *hush.Error:
		switch {
		case e == nil:
			return hush.ErrUnavailable, nil
		case e.Ref == asked:
			return hush.ClassOf(e), e.Err
		}
	case hush.Class:
		return hush.ClassOf(e), nil
	}
	return hush.ClassOf(err), err
}

// classed reports whether err says of itself what class it has.
func classed(err error) bool {
	_, isError := errors.AsType[*hush.Error](err)
	_, isClass := errors.AsType[hush.Class](err)
	return isError || isClass
}

func aboutContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, hush.ErrCanceled)
}

// cutText says why a call ended that was cut off while the caller lived.
func cutText(limited context.Context, err error) error {
	if cause := context.Cause(limited); cause != nil {
		return errors.New(cause.Error())
	}
	return errors.New(err.Error())
}

// ended returns cause so that it matches end, the caller's ctx.Err().
func ended(cause, end error) error {
	switch {
	case cause == nil:
		return end
	case errors.Is(cause, end):
		return cause
	}
	return fmt.Errorf("%v: %w", cause, end)
}
