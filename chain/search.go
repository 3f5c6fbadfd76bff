package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
)

// A search is one Get's way along the links. A first link that answers leaves
// both lists nil.
type search struct {
	*Chain
	ref     hush.Ref // what links are asked for
	watched bool     // somebody wants the facts of each call

	answer   hush.Secret   // valid if run returns true
	next     int           // index of the first link that was neither asked nor skipped
	outcomes []outcome     // of the links that were asked and failed
	attempts []*hush.Error // the same ones' errors
	spent    time.Duration // in all of these, if watched
	end      error         // the caller's ctx.Err(), once it ended the search
}

// run asks the links, and reports whether one answered.
func (s *search) run(ctx context.Context) bool {
	throttled := -1 // the store that has a throttled front
	for s.next < len(s.links) {
		l := &s.links[s.next]
		s.next++
		if l.Front && l.store == throttled {
			s.skip(l)
			continue
		}
		class := s.ask(ctx, l)
		switch {
		case class == 0:
			return true
		case s.end != nil, class == hush.ErrInvalidRef:
			return false
		case l.Front && class == hush.ErrThrottled:
			throttled = l.store
		}
	}
	return false
}

// ask calls one link. The class is zero if it answered.
func (s *search) ask(ctx context.Context, l *link) hush.Class {
	limited, cancel := l.limit(ctx, len(s.links)-s.next+1)
	defer cancel()
	var start time.Time
	if s.watched {
		start = time.Now()
	}
	var err error
	s.answer, err = l.Provider.Get(limited, s.ref)
	var latency time.Duration
	if s.watched {
		latency = time.Since(start)
	}
	if err == nil {
		s.answered(l, latency)
		return 0
	}
	s.end = ctx.Err()
	return s.failed(l, l.failed(limited, s.end, s.asked(), err), latency)
}

func (s *search) answered(l *link, latency time.Duration) {
	s.answer.Source = l.Name
	if len(s.outcomes) > 0 && !s.answer.Fallback {
		_, fresh := s.ref.Freshness()
		s.answer.Fallback = fellBack(s.outcomes, fresh)
	}
	if s.watched {
		s.report(Call{
			Provider: l.Name, Ref: s.asked(), Latency: latency, Version: s.answer.Version,
			Attempt: len(s.attempts) + 1, Front: l.Front, Fallback: s.answer.Fallback,
		})
	}
}

func (s *search) failed(l *link, err *hush.Error, latency time.Duration) hush.Class {
	s.outcomes = append(s.outcomes, outcome{class: err.Class, front: l.Front})
	s.attempts = append(s.attempts, err)
	s.spent += latency
	if s.watched {
		s.report(Call{
			Provider: l.Name, Ref: s.asked(), Class: err.Class, Latency: latency,
			Attempt: len(s.attempts), Front: l.Front, Err: err,
		})
	}
	return err.Class
}

// skip passes over a front whose store is throttling.
func (s *search) skip(l *link) {
	if !s.watched {
		return
	}
	why := hush.NewError(l.Name, s.asked(), hush.ErrThrottled, errors.New("not asked: another front of its store was throttled"))
	s.report(Call{Provider: l.Name, Ref: s.asked(), Class: why.Class, Front: true, Skipped: true, Err: why})
}

// asked is the Ref for errors and log lines: they carry no freshness.
func (s *search) asked() hush.Ref {
	return hush.Ref{Name: s.ref.Name, Version: s.ref.Version, Stage: s.ref.Stage}
}

// fail returns the error of a search that found nothing, and logs it.
func (s *search) fail(ref hush.Ref) error {
	class, decided := s.verdict()
	err := hush.NewError(name, ref, class, &Failure{attempts: s.attempts, decided: decided})
	s.reportFailure(err)
	return err
}

// verdict returns the class of the whole and the error that stands for it.
func (s *search) verdict() (hush.Class, error) {
	last := len(s.outcomes) - 1
	class := s.outcomes[last].class
	switch cut := s.end != nil && class != hush.ErrInvalidRef; {
	case cut && (class == hush.ErrCanceled || outage(class)):
		return s.decided(last)
	case cut && s.next < len(s.links):
		// Links that were not asked might have had it, whatever this one said.
		return hush.ErrCanceled, fmt.Errorf("%w before %s was asked", s.end, s.links[s.next].Name)
	}
	return s.decided(decide(s.outcomes))
}

func (s *search) decided(i int) (hush.Class, error) { return s.outcomes[i].class, s.attempts[i] }
