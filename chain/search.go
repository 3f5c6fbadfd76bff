package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hush-secrets/hush"
)

// A search is the search of one Get along the links. If the first link returns the
// secret, attempts stays nil. It also stays nil while the links so far are held back by
// their breakers: during an outage, a Get that another link serves allocates nothing.
type search struct {
	*Chain
	ref hush.Ref // what links are called with

	secret   hush.Secret   // valid if run returns true
	next     int           // index of the first link that has not had its turn
	skipped  int           // the number of links that were held back before another failed
	attempts []attempt     // of the other links that did not return the secret
	last     int           // index of the attempt whose call ended last
	held     bool          // a link was held back
	over     bool          // no more links are called
	stopped  bool          // no attempt after the last one has a part in the verdict
	calls    int           // of links
	spent    time.Duration // in those of these that failed, without untimed calls
	end      error         // why the caller's context ended, if this ended the search
}

// A turn is a link's turn in a search.
type turn struct {
	*link
	pass
	index   int             // of the attempt, if the call fails
	limited context.Context // of the call
	time    time.Duration   // that the call has; zero means no limit
}

// leave ends the call of t, also after a panic.
func (t *turn) leave() { t.breaker.leave(t.pass) }

// search returns what Get returns.
func (c *Chain) search(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	var s search
	s.Chain, s.ref = c, ref
	if ref.Field != "" {
		s.ref = ref.WithField("")
	}
	switch {
	case !s.run(ctx):
		return hush.Secret{}, s.fail(ctx, ref)
	case ref.Field == "":
		return s.secret, nil
	}
	return ref.Select(s.secret)
}

// searchAfter is search after a call of the first link, which began at start with p and
// failed with err. ref has no Field.
func (c *Chain) searchAfter(ctx context.Context, ref hush.Ref, p pass, start time.Duration, err error) (hush.Secret, error) {
	var s search
	s.Chain, s.ref, s.next, s.calls = c, ref, 1, 1
	t := &turn{link: &c.links[0], pass: p, limited: ctx}
	s.proceed(t.link, s.failed(ctx, t, start, err))
	if !s.run(ctx) {
		return hush.Secret{}, s.fail(ctx, ref)
	}
	return s.secret, nil
}

// run searches the links, and reports whether one of them returned the secret.
func (s *search) run(ctx context.Context) bool {
	return s.forward(ctx) || s.held && s.afterAll(ctx)
}

// forward gives the remaining links their turn, and passes over those that are held
// back.
func (s *search) forward(ctx context.Context) bool {
	for s.next < len(s.links) && !s.over {
		l := &s.links[s.next]
		s.next++
		if s.throttled(l) {
			s.skipFront(ctx, l)
			continue
		}
		p, ok := l.breaker.enter()
		if ok && s.callNext(ctx, l, p) {
			return true
		}
		if !ok && !s.passOver(ctx, l) {
			return false
		}
	}
	return false
}

// callNext calls l, which is the next link, and reports whether it returned the secret.
func (s *search) callNext(ctx context.Context, l *link, p pass) bool {
	var t turn // not a literal, which would be built elsewhere and copied
	t.link, t.pass, t.index = l, p, len(s.attempts)
	defer t.leave()
	limited, cancel, d := l.limit(ctx, len(s.links)-s.next+1)
	defer cancel()
	t.limited, t.time = limited, d
	class := s.call(ctx, &t)
	if class == 0 {
		return true
	}
	s.proceed(l, class)
	return false
}

// proceed decides where the search goes on after l, which is the link before next, failed
// with class.
func (s *search) proceed(l *link, class hush.Class) {
	switch {
	case class == hush.ErrCanceled:
	case class == hush.ErrInvalidRef:
		s.over, s.stopped = true, true
	case !l.goesOn(class):
		s.next = len(s.links)
	}
	s.over = s.over || s.end != nil
}

// afterAll calls the links that were held back, in order, because no other link has
// returned the secret. If the Policy of one ended the search there, the links after it
// have their turn now.
func (s *search) afterAll(ctx context.Context) bool {
	s.insertSkipped()
	for i := 0; i < len(s.attempts) && !s.over; i++ {
		if a := &s.attempts[i]; a.held && !s.throttled(a.link) && s.callHeld(ctx, i) {
			return true
		}
		if i == len(s.attempts)-1 && s.forward(ctx) {
			return true
		}
	}
	return false
}

// callHeld calls the link of attempt i, and reports whether it returned the secret.
func (s *search) callHeld(ctx context.Context, i int) bool {
	l := s.attempts[i].link
	limited, cancel, _ := l.limit(ctx, s.countHeld(i))
	defer cancel()
	class := s.callWhenFree(ctx, &turn{link: l, index: i, limited: limited})
	switch {
	case class == 0:
		return true
	case class == hush.ErrCanceled:
	case !l.goesOn(class):
		s.over, s.stopped = true, true
	}
	s.over = s.over || s.end != nil
	return false
}

// callWhenFree makes the call of t as soon as the link has a place for it.
func (s *search) callWhenFree(ctx context.Context, t *turn) hush.Class {
	var err error
	if t.pass, err = s.enterLast(t); err != nil {
		return s.noPlace(ctx, t)
	}
	defer t.leave()
	if deadline, ok := t.limited.Deadline(); ok {
		t.time = time.Until(deadline)
	}
	return s.call(ctx, t)
}

// enterLast waits for a place. A batch of other searches does not wait for this search.
func (s *search) enterLast(t *turn) (pass, error) {
	g := s.gathering
	if g == nil {
		return t.breaker.enterLast(t.limited, nil)
	}
	g.leave(1)
	return t.breaker.enterLast(t.limited, func() { g.leave(-1) })
}

// noPlace records that the call of t could not start in time.
func (s *search) noPlace(ctx context.Context, t *turn) hush.Class {
	s.end = endOf(ctx)
	class, cause := hush.ErrUnavailable, errors.New(context.Cause(t.limited).Error())
	if s.end != nil {
		class, cause = classOfEnd(s.end), s.end
	}
	cause = fmt.Errorf("not called: its breaker is open, and earlier calls took the time: %w", cause)
	s.record(t, hush.NewError(t.Name, s.called(), class, cause))
	return class
}

// call calls the link of t and returns the class of its failure, zero for a secret.
func (s *search) call(ctx context.Context, t *turn) hush.Class {
	s.calls++
	start := s.startCall()
	var err error
	if s.secret, err = t.Provider.Get(t.limited, s.ref); err != nil {
		return s.failed(ctx, t, start, err)
	}
	s.returned(ctx, t, start)
	return 0
}

// returned handles the end of a call that began at start and returned the secret.
func (s *search) returned(ctx context.Context, t *turn, start time.Duration) {
	change := t.breaker.settle(t.pass, 0)
	s.secret.Source = t.Name
	s.secret.FromFallback = s.secret.FromFallback || t.link.place > 1 && s.isFallback(t.index)
	if start == untimed || t.link.place == 1 && change.to == "" && !s.observed(slog.LevelDebug) {
		return
	}
	s.report(ctx, Call{
		Provider: t.Name, Link: t.link.place, Ref: s.called(), Latency: s.age() - start, Version: s.secret.Version,
		Attempt: s.calls, Front: t.Front, Fallback: s.secret.FromFallback, Breaker: change.to, Failures: change.failures,
	})
}

// failed handles the end of a call that began at start and failed with err. It returns
// the class of the failure.
func (s *search) failed(ctx context.Context, t *turn, start time.Duration, err error) hush.Class {
	var latency time.Duration
	if start != untimed {
		latency = s.age() - start
	}
	s.end = endOf(ctx)
	failure, cut := t.failed(t.limited, s.end, s.called(), err)
	s.record(t, failure)
	change := t.breaker.settle(t.pass, t.verdict(failure, s.end, cut, t.time))
	if start == untimed {
		return failure.Class
	}
	s.spent += latency
	s.report(ctx, Call{
		Provider: t.Name, Link: t.link.place, Ref: s.called(), Class: failure.Class, Latency: latency,
		Attempt: s.calls, Front: t.Front, Err: failure, Breaker: change.to, Failures: change.failures, Wait: change.wait,
	})
	return failure.Class
}

// record makes err the attempt of t.
func (s *search) record(t *turn, err *hush.Error) {
	a := attempt{link: t.link, class: err.Class, err: err}
	s.last = t.index
	if t.index < len(s.attempts) {
		s.attempts[t.index] = a
		return
	}
	s.add(a)
}

func (s *search) add(a attempt) {
	if s.attempts == nil {
		s.attempts = make([]attempt, 0, len(s.links))
	}
	s.attempts = append(s.attempts, a)
}

// called is the Ref for errors and log lines, which carry no freshness.
func (s *search) called() hush.Ref {
	return hush.Ref{Name: s.ref.Name, Version: s.ref.Version, Stage: s.ref.Stage}
}
