package chain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hush-secrets/hush"
)

// A lookup is one pass of a Get through the links. If the first link returns the secret,
// or if all links before the one that returns it are skipped, attempts stays nil. A Get
// therefore allocates nothing while the breaker of a store is open.
type lookup struct {
	*Chain
	ref hush.Ref // without field

	secret   hush.Secret   // valid if run returns true
	next     int           // index of the first link that has not had its turn
	skipped  int           // links that were skipped before the first of attempts
	attempts []attempt     // of the other links that did not return the secret
	last     int           // index of the attempt whose call ended last
	stopped  bool          // the last attempt ended the lookup, and those after it do not decide
	calls    int           // of links
	spent    time.Duration // on the calls that failed, without untimed calls
	end      error         // endOf the caller's context, if it ended the lookup
}

// An attempt is the result of a link that did not return the secret.
type attempt struct {
	*link
	skipped bool        // its breaker is open, and there was no last-resort call yet
	err     *hush.Error // nil if the link was skipped and the error is not needed yet
}

func (a attempt) class() hush.Class {
	if a.err == nil {
		return hush.ErrUnavailable
	}
	return a.err.Class
}

// A linkCall is a call of a link by a lookup.
type linkCall struct {
	*link
	permit  permit
	index   int             // of the attempt, if the call fails
	limited context.Context // of the call
	time    time.Duration   // the limit; zero means no limit
}

// release ends the call, even if it panicked.
func (c *linkCall) release() { c.breaker.release(c.permit) }

// lookUp returns what Get returns.
func (c *Chain) lookUp(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	var s lookup
	s.Chain, s.ref = c, ref
	if ref.Field != "" {
		s.ref = ref.WithField("")
	}
	switch {
	case !s.run(ctx):
		return hush.Secret{}, s.fail(ctx, ref)
	case ref.Field == "": // Select would allocate
		return s.secret, nil
	}
	return ref.Select(s.secret)
}

// lookUpAfterFirst is lookUp after a call of the first link that began at start with p and
// failed with err. ref has no Field.
func (c *Chain) lookUpAfterFirst(ctx context.Context, ref hush.Ref, p permit, start time.Duration, err error) (hush.Secret, error) {
	var s lookup
	s.Chain, s.ref, s.next, s.calls = c, ref, 1, 1
	call := &linkCall{link: &c.links[0], permit: p, limited: ctx}
	s.proceed(call.link, s.failed(ctx, call, start, err))
	if !s.run(ctx) {
		return hush.Secret{}, s.fail(ctx, ref)
	}
	return s.secret, nil
}

// run calls the links, and reports whether one of them returned the secret.
func (s *lookup) run(ctx context.Context) bool {
	return s.forward(ctx) || s.lastResort(ctx)
}

// forward calls the remaining links, except those that it skips.
func (s *lookup) forward(ctx context.Context) bool {
	for s.next < len(s.links) && !s.ended() {
		l := &s.links[s.next]
		s.next++
		if s.throttled(l) {
			s.skipThrottled(ctx, l)
			continue
		}
		p, ok := l.breaker.acquire()
		if ok && s.callNext(ctx, l, p) {
			return true
		}
		if !ok && !s.skipOpen(ctx, l) {
			return false
		}
	}
	return false
}

// ended reports whether no more links are called.
func (s *lookup) ended() bool { return s.stopped || s.end != nil }

// callNext calls l, which is the link before next, and reports whether it returned the
// secret.
func (s *lookup) callNext(ctx context.Context, l *link, p permit) bool {
	var c linkCall // a literal would be built elsewhere and copied
	c.link, c.permit, c.index = l, p, len(s.attempts)
	defer c.release()
	limited, cancel, d := l.withLimit(ctx, len(s.links)-s.next+1)
	defer cancel()
	c.limited, c.time = limited, d
	class := s.call(ctx, &c)
	if class == 0 {
		return true
	}
	s.proceed(l, class)
	return false
}

// proceed notes where the lookup continues after l, the link before next, failed with
// class.
func (s *lookup) proceed(l *link, class hush.Class) {
	switch {
	case class == hush.ErrInvalidRef:
		s.stopped = true
	case !l.continues(class):
		s.next = len(s.links)
	}
}

// call calls the link and returns the class of its failure, zero for a secret.
func (s *lookup) call(ctx context.Context, c *linkCall) hush.Class {
	s.calls++
	start := s.startCall()
	var err error
	if s.secret, err = c.Provider.Get(c.limited, s.ref); err != nil {
		return s.failed(ctx, c, start, err)
	}
	s.succeeded(ctx, c, start)
	return 0
}

// succeeded handles the end of a call that began at start and returned the secret.
func (s *lookup) succeeded(ctx context.Context, c *linkCall, start time.Duration) {
	effect := c.breaker.record(c.permit, 0)
	s.secret.Source = c.Name
	s.secret.FromFallback = s.secret.FromFallback || c.position > 1 && s.isFallback(c.index)
	if start == untimed || c.position == 1 && effect.to == "" && !s.observed(slog.LevelDebug) {
		return
	}
	s.report(ctx, Call{
		Provider: c.Name, Link: c.position, Ref: s.reported(), Latency: s.age() - start, Version: s.secret.Version,
		Attempt: s.calls, Front: c.Front, Fallback: s.secret.FromFallback, Breaker: effect.to, Failures: effect.failures,
	})
}

// failed handles the end of a call that began at start and failed with err. It returns the
// class of the failure.
func (s *lookup) failed(ctx context.Context, c *linkCall, start time.Duration, err error) hush.Class {
	var latency time.Duration
	if start != untimed {
		latency = s.age() - start
	}
	s.end = endOf(ctx)
	failure, interrupted := c.classify(c.limited, s.end, s.reported(), err)
	s.record(c, failure)
	effect := c.breaker.record(c.permit, c.breakerClass(failure, s.end, interrupted, c.time))
	if start == untimed {
		return failure.Class
	}
	s.spent += latency
	s.report(ctx, Call{
		Provider: c.Name, Link: c.position, Ref: s.reported(), Latency: latency, Attempt: s.calls, Front: c.Front,
		Err: failure, Breaker: effect.to, Failures: effect.failures, Wait: effect.wait,
	})
	return failure.Class
}

// record makes err the attempt of c.
func (s *lookup) record(c *linkCall, err *hush.Error) {
	s.last = c.index
	if c.index == len(s.attempts) {
		s.add(attempt{})
	}
	s.attempts[c.index] = attempt{link: c.link, err: err}
}

func (s *lookup) add(a attempt) {
	if s.attempts == nil {
		s.attempts = make([]attempt, 0, len(s.links))
	}
	s.attempts = append(s.attempts, a)
}

// insertSkipped inserts the links that were skipped first before the other attempts.
func (s *lookup) insertSkipped() {
	if s.skipped == 0 {
		return
	}
	all := make([]attempt, s.skipped, len(s.links))
	for i := range all {
		all[i] = attempt{link: &s.links[i], skipped: true}
	}
	s.attempts, s.last, s.skipped = append(all, s.attempts...), s.last+s.skipped, 0
}

// countSkipped returns the number of skipped links from attempt i on.
func (s *lookup) countSkipped(i int) (n int) {
	for _, a := range s.attempts[i:] {
		if a.skipped {
			n++
		}
	}
	return n
}

// skipOpen skips a link whose breaker is open. It reports whether the lookup continues
// with the next link.
func (s *lookup) skipOpen(ctx context.Context, l *link) bool {
	a := attempt{link: l, skipped: true}
	if s.observed(slog.LevelDebug) {
		wait, reason := l.breaker.skipReason()
		a.err = hush.NewError(l.Name, s.reported(), a.class(), reason)
		s.reportSkipped(ctx, l, a.err, wait)
	}
	if s.attempts == nil {
		s.skipped++
	} else {
		s.add(a)
	}
	return l.continues(a.class())
}

// throttled reports whether l is a front of a store that has throttled another front.
func (s *lookup) throttled(l *link) bool {
	if !l.Front {
		return false
	}
	for _, a := range s.attempts {
		if a.Front && a.store == l.store && a.class() == hush.ErrThrottled {
			return true
		}
	}
	return false
}

// skipThrottled skips a front whose store is throttling.
func (s *lookup) skipThrottled(ctx context.Context, l *link) {
	if s.observed(slog.LevelDebug) {
		reason := errors.New("skipped: another front of its store was throttled")
		s.reportSkipped(ctx, l, hush.NewError(l.Name, s.reported(), hush.ErrThrottled, reason), 0)
	}
}

func (s *lookup) reportSkipped(ctx context.Context, l *link, err *hush.Error, wait time.Duration) {
	s.report(ctx, Call{Provider: l.Name, Link: l.position, Ref: s.reported(), Front: l.Front, Skipped: true, Err: err, Wait: wait})
}

// reported returns the Ref for errors and log lines, which have no freshness.
func (s *lookup) reported() hush.Ref {
	return hush.Ref{Name: s.ref.Name, Version: s.ref.Version, Stage: s.ref.Stage}
}
