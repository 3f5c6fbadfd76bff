package chain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hush-secrets/hush"
)

// passOver notes that the breaker of l holds it back, and reports whether the search
// goes on to another link.
func (s *search) passOver(ctx context.Context, l *link) bool {
	s.held = true
	a := attempt{link: l, class: hush.ErrUnavailable, held: true}
	if s.observed(slog.LevelDebug) {
		wait, why := l.breaker.heldBack()
		a.err = hush.NewError(l.Name, s.called(), a.class, why)
		s.reportSkipped(ctx, l, a.err, wait)
	}
	if s.attempts == nil {
		s.skipped++
	} else {
		s.add(a)
	}
	return l.goesOn(a.class)
}

// throttled reports whether l is a front of a store that has throttled another front.
func (s *search) throttled(l *link) bool {
	if !l.Front {
		return false
	}
	for _, a := range s.attempts {
		if a.Front && a.store == l.store && a.class == hush.ErrThrottled {
			return true
		}
	}
	return false
}

// skipFront skips a front whose store is throttling.
func (s *search) skipFront(ctx context.Context, l *link) {
	if s.observed(slog.LevelDebug) {
		why := errors.New("not called: another front of its store was throttled")
		s.reportSkipped(ctx, l, hush.NewError(l.Name, s.called(), hush.ErrThrottled, why), 0)
	}
}

func (s *search) reportSkipped(ctx context.Context, l *link, why *hush.Error, wait time.Duration) {
	s.report(ctx, Call{
		Provider: l.Name, Link: l.place, Ref: s.called(), Class: why.Class,
		Front: l.Front, Skipped: true, Err: why, Wait: wait,
	})
}
