package hush

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hush-secrets/hush/internal/clock"
)

const (
	defaultMaxWait = 3 * time.Second
	firstPause     = 100 * time.Millisecond
	longestPause   = 500 * time.Millisecond
	// reserve is the most that the last question keeps of the caller's time.
	reserve = 500 * time.Millisecond
)

// Use runs fn with the secret that ref names and, if fn's error says that the
// secret was rejected, again with another one. It is RetryPolicy{}.Use.
func Use(ctx context.Context, p Provider, ref Ref, fn func(Secret) error) error {
	return RetryPolicy{}.Use(ctx, p, ref, fn)
}

// A RetryPolicy is how to live through one: a store's current version and what a
// database accepts do not change at the same moment. The zero RetryPolicy is what
// [Use] does.
type RetryPolicy struct {
	// MaxWait is how long Use waits for another secret, from the first rejection
	// on. Zero is 3 s. Negative is no time: the store is asked once more, at once.
	MaxWait time.Duration

	// Stages are tried before waiting, for a store that labels a version before it
	// is current: AWSPENDING is there before the database's password changes. A
	// stage that cannot be read is passed over. Nil: none.
	Stages []string

	// Rejected reports whether an error of fn means that the secret was rejected,
	// beside those that match ErrRejected. Nil: no other does.
	Rejected func(error) bool
}

// Use asks p for ref and runs fn with the secret. If fn's error matches
// [ErrRejected], or Rejected says so, Use asks for another secret and runs fn with
// that: at once, then the Stages, then after pauses of 100 ms doubling to 500 ms,
// and a last time when MaxWait has passed. A rotation may end just then, so the last
// question must be answered by the store and not by a cache; it is waited for even
// though MaxWait has passed. If ctx has a deadline before that, the last question is
// asked a quarter of the time left ahead of it, at most 500 ms, so that the answer
// can still be used; a context that is cancelled ends the wait without one.
//
// fn runs once for each secret, told apart by Version, or by Value where there is
// none; one that a stage gave too early may be given once more, when it is current. A Stale or Fallback answer is nothing new. An outage does not end the wait;
// ErrDenied, ErrNotFound, ErrUnsupported and ErrInvalidRef do. A Ref with a Version
// is not asked for again, for no other secret has that name. A panic of fn is the
// caller's.
//
// Use returns nil as soon as fn does, an error of fn that is no rejection as it is,
// and so the error of the first question. When it gives up, the error is
// ErrRejected about ref, and its cause is fn's last error and the reason, either
// of which errors.Is and errors.As find.
func (r RetryPolicy) Use(ctx context.Context, p Provider, ref Ref, fn func(Secret) error) error {
	first, err := p.Get(ctx, ref)
	if err != nil {
		return err
	}
	u := &use{RetryPolicy: r, p: p, ref: ref, fn: fn, tried: []Secret{first}}
	if u.run(first) {
		return u.err
	}
	if reason := u.again(ctx, first); reason != nil {
		return NewError("", ref, ErrRejected, fmt.Errorf("%w; %w", u.err, reason))
	}
	return u.err
}

// A use is one Use under way.
type use struct {
	RetryPolicy
	p   Provider
	ref Ref
	fn  func(Secret) error

	tried   []Secret // what fn has run with, but for
	early   []Secret // what came from the Stages: once it is current it may serve
	current Secret   // what p last gave for ref
	err     error    // what fn last returned

	now    clock.Func
	window time.Duration // from the first rejection to the last question
	end    clock.Instant
}

// run runs fn with s, and reports whether that settles the matter.
func (u *use) run(s Secret) bool {
	u.err = u.fn(s)
	rejected := errors.Is(u.err, ErrRejected) || u.err != nil && u.Rejected != nil && u.Rejected(u.err)
	return !rejected
}

// again runs fn with other secrets than first until one settles the matter; if
// none does, it returns why.
func (u *use) again(ctx context.Context, first Secret) (reason error) {
	if u.ref.Version != "" {
		return errors.New("the reference asks for this version and no other")
	}
	u.current = first
	u.begin(ctx)
	settled, over, reason := u.ask(ctx)
	if settled || u.stages(ctx) {
		return nil
	}
	for pause := firstPause; !over; pause = min(2*pause, longestPause) {
		if err := u.pause(ctx, pause); err != nil {
			return err
		}
		if settled, over, reason = u.ask(ctx); settled {
			return nil
		}
	}
	return reason
}

// begin sets the time of the last question, on both clocks: the monotonic one
// alone would stretch it by a freeze.
func (u *use) begin(ctx context.Context) {
	u.window = max(u.MaxWait, 0)
	if u.MaxWait == 0 {
		u.window = defaultMaxWait
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		u.window = max(min(u.window, left-min(left/4, reserve)), 0)
	}
	u.now = clock.New()
	u.end = u.now().Add(u.window)
}

func (u *use) left() time.Duration { return u.now().Until(u.end) }

// ask asks once more, and runs fn if there is another secret. over says that it
// was the last time, and reason why.
func (u *use) ask(ctx context.Context) (settled, over bool, reason error) {
	left := u.left()
	secret, err := u.get(ctx, left)
	switch {
	case ctx.Err() != nil && err != nil:
		return false, true, ended(ctx)
	case ends(err):
		return false, true, err
	case err == nil && !secret.Stale && !secret.FromFallback:
		u.current = secret
		settled = u.offer(&u.tried, secret)
	}
	if left > 0 {
		return settled, false, nil
	}
	reason = fmt.Errorf("no other secret came within %v", u.window.Round(time.Millisecond))
	if err != nil {
		reason = fmt.Errorf("%w: %w", reason, err)
	}
	return settled, true, reason
}

// get asks p for something newer or, when no time is left, for what the store has
// now. Any question but the last ends with the time that is left: one that hangs
// must not take the place of the last.
func (u *use) get(ctx context.Context, left time.Duration) (Secret, error) {
	if left <= 0 {
		return u.p.Get(ctx, u.ref.Fresh())
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return u.p.Get(ctx, u.ref.NewerThan(u.current))
}

// ends reports whether a fresh read that failed with err makes others futile.
func ends(err error) bool {
	switch ClassOf(err) {
	case ErrNotFound, ErrDenied, ErrUnsupported, ErrInvalidRef:
		return true
	}
	return false
}

// stages offers what the Stages label, and reports whether that settled it.
func (u *use) stages(ctx context.Context) bool {
	for _, stage := range u.Stages {
		ref := Ref{Name: u.ref.Name, Stage: stage, Field: u.ref.Field}
		secret, err := u.getWithin(ctx, ref.Fresh())
		known := slices.ContainsFunc(u.tried, secret.isVersionOf)
		if err == nil && !secret.Stale && !secret.FromFallback && !known && u.offer(&u.early, secret) {
			return true
		}
	}
	return false
}

// getWithin asks for ref in the time that is left; without any patience there is
// only the provider's own limit.
func (u *use) getWithin(ctx context.Context, ref Ref) (Secret, error) {
	if u.window <= 0 {
		return u.p.Get(ctx, ref)
	}
	ctx, cancel := context.WithTimeout(ctx, u.left())
	defer cancel()
	return u.p.Get(ctx, ref)
}

// offer runs fn with s unless it is among those that were tried, and reports
// whether that settled the matter.
func (u *use) offer(tried *[]Secret, s Secret) bool {
	if slices.ContainsFunc(*tried, s.isVersionOf) {
		return false
	}
	*tried = append(*tried, s)
	return u.run(s)
}

// isVersionOf reports whether s and t are the same version: by their names if both
// have one, else by value.
func (s Secret) isVersionOf(t Secret) bool {
	if s.Version != "" && t.Version != "" {
		return s.Version == t.Version
	}
	return s.Value.Equal(t.Value)
}

// pause waits for d, at most until the last question is due.
func (u *use) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(min(d, u.left()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

func ended(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrCanceled, ctx.Err()) }
