package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
)

// A search is one Get's way along the links. A first link that answers leaves the
// list nil, and so do links that are skipped by their breakers before any other
// fails: an outage must not cost each Get an allocation.
type search struct {
	*Chain
	ref     hush.Ref // what links are asked for
	watched bool     // somebody wants the facts of each call

	answer   hush.Secret   // valid if run returns true
	next     int           // index of the first link that may still be asked
	missed   missed        // among the links before
	skipped  int           // how many links their breakers skipped before any failed
	attempts []attempt     // of the links after these that did not answer
	calls    int           // of links
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
			s.skipFront(l)
			continue
		}
		class := s.ask(ctx, l)
		switch {
		case class == 0:
			return true
		case class == hush.ErrCanceled:
			return false
		case !l.goesOn(class):
			s.next = len(s.links) // nobody else would have been asked
		case s.end != nil:
			return false
		case l.Front && class == hush.ErrThrottled:
			throttled = l.store
		}
	}
	return false
}

// ask calls one link, if its breaker lets it. The class is zero if it answered.
func (s *search) ask(ctx context.Context, l *link) hush.Class {
	pass, ok := l.breaker.enter()
	if !ok {
		return s.skip(l)
	}
	defer l.breaker.leave(pass)
	limited, cancel := l.limit(ctx, len(s.links)-s.next+1)
	defer cancel()
	s.calls++
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
		s.answered(l, latency, l.breaker.settle(pass, 0))
		return 0
	}
	s.end = ctx.Err()
	failure := l.failed(limited, s.end, s.asked(), err)
	s.failed(l, failure, latency, l.breaker.settle(pass, failure.Class))
	return failure.Class
}

func (s *search) answered(l *link, latency time.Duration, c change) {
	s.answer.Source = l.Name
	s.answer.Fallback = s.answer.Fallback || s.missed.store
	if s.watched {
		s.report(Call{
			Provider: l.Name, Link: l.place, Ref: s.asked(), Latency: latency, Version: s.answer.Version,
			Attempt: s.calls, Front: l.Front, Fallback: s.answer.Fallback, Breaker: c.to, Failures: c.failures,
		})
	}
}

func (s *search) failed(l *link, err *hush.Error, latency time.Duration, c change) {
	if s.attempts == nil {
		s.attempts = make([]attempt, 0, len(s.links))
	}
	s.attempts = append(s.attempts, attempt{link: l, class: err.Class, err: err})
	_, fresh := s.ref.Freshness()
	s.missed.add(err.Class, l.Front, fresh)
	s.spent += latency
	if s.watched {
		s.report(Call{
			Provider: l.Name, Link: l.place, Ref: s.asked(), Class: err.Class, Latency: latency,
			Attempt: s.calls, Front: l.Front, Err: err, Breaker: c.to, Failures: c.failures, Wait: c.wait,
		})
	}
}

// skip passes over a link whose breaker is open, as one that is unavailable.
func (s *search) skip(l *link) hush.Class {
	a := attempt{link: l, class: hush.ErrUnavailable}
	if s.heard(zapcore.DebugLevel) {
		wait, why := l.breaker.pause()
		a.err = hush.NewError(l.Name, s.asked(), a.class, why)
		s.reportSkipped(l, a.err, wait)
	}
	if s.attempts == nil {
		s.skipped++
	} else {
		s.attempts = append(s.attempts, a)
	}
	s.missed.add(a.class, l.Front, false)
	return a.class
}

// skipFront passes over a front whose store is throttling.
func (s *search) skipFront(l *link) {
	if s.heard(zapcore.DebugLevel) {
		why := errors.New("not asked: another front of its store was throttled")
		s.reportSkipped(l, hush.NewError(l.Name, s.asked(), hush.ErrThrottled, why), 0)
	}
}

func (s *search) reportSkipped(l *link, why *hush.Error, wait time.Duration) {
	s.report(Call{
		Provider: l.Name, Link: l.place, Ref: s.asked(), Class: why.Class,
		Front: l.Front, Skipped: true, Err: why, Wait: wait,
	})
}

// asked is the Ref for errors and log lines: they carry no freshness.
func (s *search) asked() hush.Ref {
	return hush.Ref{Name: s.ref.Name, Version: s.ref.Version, Stage: s.ref.Stage}
}

// fail returns the error of a search that found nothing, and logs it.
func (s *search) fail(ref hush.Ref) error {
	s.complete()
	class, decided := s.verdict()
	failures := make([]*hush.Error, len(s.attempts))
	for i, a := range s.attempts {
		failures[i] = a.err
	}
	err := hush.NewError(name, ref, class, &Failure{attempts: failures, decided: decided})
	s.reportFailure(err)
	return err
}

// complete adds to the attempts what breakers skipped, with the errors that nobody
// has wanted yet.
func (s *search) complete() {
	all := make([]attempt, s.skipped, len(s.links))
	for i := range all {
		all[i] = attempt{link: &s.links[i], class: hush.ErrUnavailable}
	}
	all = append(all, s.attempts...)
	for i, a := range all {
		if a.err == nil {
			_, why := a.breaker.pause()
			all[i].err = hush.NewError(a.Name, s.asked(), a.class, why)
		}
	}
	s.attempts = all
}

// verdict returns the class of the whole and the error that stands for it.
func (s *search) verdict() (hush.Class, error) {
	last := len(s.attempts) - 1
	class := s.attempts[last].class
	switch {
	case s.end != nil && (class == hush.ErrCanceled || outage(class)):
		return s.decided(last)
	case s.end != nil && s.next < len(s.links):
		// Links that were not asked might have had it, whatever this one said.
		return hush.ErrCanceled, fmt.Errorf("%w before %s was asked", s.end, s.links[s.next].Name)
	}
	return s.decided(decide(s.attempts))
}

func (s *search) decided(i int) (hush.Class, error) { return s.attempts[i].class, s.attempts[i].err }
