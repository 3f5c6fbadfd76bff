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
	minPause       = 100 * time.Millisecond
	maxPause       = 500 * time.Millisecond
	// maxReserve is the longest part of the caller's deadline that is reserved for the
	// last read and for fn.
	maxReserve = 500 * time.Millisecond
)

// Use runs fn with the secret that ref names. If fn fails because the secret was
// rejected, Use runs fn again with another version. It is RetryPolicy{}.Use; see
// [RetryPolicy.Use].
func Use(ctx context.Context, p Provider, ref Ref, fn func(Secret) error) error {
	return RetryPolicy{}.Use(ctx, p, ref, fn)
}

// A RetryPolicy configures [RetryPolicy.Use]. During a rotation, the store and the
// database change the password at different times, so that the database rejects the
// secret of the store for a moment. The zero RetryPolicy is the policy of [Use].
type RetryPolicy struct {
	// MaxWait is the longest time from the first rejection until the last read of
	// the store. Zero means 3 s. A negative value means one more read, at once.
	MaxWait time.Duration

	// Stages are read before Use waits, for a store that labels a version before it
	// becomes current, such as AWSPENDING of Secrets Manager. Use skips a stage that it
	// cannot read. Nil means none.
	Stages []string

	// Rejected reports whether an error of fn means that the secret was rejected. An
	// error that matches ErrRejected always does. Nil means no other error does.
	Rejected func(error) bool
}

// Use reads ref from p and runs fn with the secret. If fn's error matches
// [ErrRejected], or Rejected reports true for it, Use reads another secret and runs
// fn again. It reads at once, then the Stages, then after pauses of 100 ms that
// double up to 500 ms. The last read takes place after MaxWait. It is a fresh read, and
// has no timeout except ctx, because a rotation may end at this moment. If ctx has an
// earlier deadline, the last read takes place before it: a quarter of the remaining
// time, at most 500 ms, is left for the read and for fn. If ctx is cancelled, Use
// returns without a last read.
//
// Use runs fn once for each secret. It compares secrets by Version, or by Value if one
// of them has no Version. Use may run fn twice with a secret from one of the Stages,
// the second time when it becomes current. Use ignores a Stale or FromFallback secret
// after the first read. An outage does not end the wait; ErrDenied, ErrNotFound,
// ErrUnsupported and ErrInvalidRef do. A Ref with a Version is not read again, because
// a version does not change. A panic of fn reaches the caller.
//
// Use returns nil if fn does. It returns the error of the first read, and an error of
// fn that is not a rejection, unchanged. If all attempts fail, the error is ErrRejected
// and wraps the last error of fn and the reason why Use stopped.
func (r RetryPolicy) Use(ctx context.Context, p Provider, ref Ref, fn func(Secret) error) error {
	first, err := p.Get(ctx, ref)
	if err != nil {
		return err
	}
	u := &useCall{RetryPolicy: r, p: p, ref: ref, fn: fn, tried: []Secret{first}}
	if u.run(first) {
		return u.err
	}
	if reason := u.retry(ctx, first); reason != nil {
		return NewError("", ref, ErrRejected, fmt.Errorf("%w; %w", u.err, reason))
	}
	return u.err
}

// A useCall is the state of one call of Use.
type useCall struct {
	RetryPolicy
	p   Provider
	ref Ref
	fn  func(Secret) error

	tried       []Secret // secrets that fn has run with, except those of a stage
	triedStages []Secret // secrets of a stage that fn has run with
	current     Secret   // last secret that p returned for ref
	err         error    // last result of fn

	now    clock.Func
	window time.Duration // from the first rejection to the last read
	end    clock.Instant // time of the last read
}

// run runs fn with s. It reports whether Use is done: fn succeeded, or failed with an
// error that is not a rejection.
func (u *useCall) run(s Secret) (done bool) {
	u.err = u.fn(s)
	rejected := errors.Is(u.err, ErrRejected) || u.err != nil && u.Rejected != nil && u.Rejected(u.err)
	return !rejected
}

// retry runs fn with other secrets than first until Use is done. If it gives up, it
// returns the reason.
func (u *useCall) retry(ctx context.Context, first Secret) (reason error) {
	if u.ref.Version != "" {
		return errors.New("the reference allows only this version")
	}
	u.current = first
	u.startWindow(ctx)
	done, last, reason := u.attempt(ctx)
	if done || u.runStages(ctx) {
		return nil
	}
	for pause := minPause; !last; pause = min(2*pause, maxPause) {
		if err := u.pause(ctx, pause); err != nil {
			return err
		}
		if done, last, reason = u.attempt(ctx); done {
			return nil
		}
	}
	return reason
}

// startWindow sets the time of the last read. It uses both clocks, because a freeze
// would extend the window on the monotonic clock.
func (u *useCall) startWindow(ctx context.Context) {
	u.window = max(u.MaxWait, 0)
	if u.MaxWait == 0 {
		u.window = defaultMaxWait
	}
	if deadline, ok := ctx.Deadline(); ok {
		remaining := time.Until(deadline)
		u.window = max(min(u.window, remaining-min(remaining/4, maxReserve)), 0)
	}
	u.now = clock.New()
	u.end = u.now().Add(u.window)
}

func (u *useCall) remaining() time.Duration { return u.now().Until(u.end) }

// attempt reads ref again and runs fn if the secret is another one. last reports
// whether this was the last read; reason is then the reason to give up.
func (u *useCall) attempt(ctx context.Context) (done, last bool, reason error) {
	remaining := u.remaining()
	secret, err := u.read(ctx, remaining)
	switch {
	case ctx.Err() != nil && err != nil:
		return false, true, canceled(ctx)
	case isFinal(err):
		return false, true, err
	case err == nil && !secret.Stale && !secret.FromFallback:
		u.current = secret
		done = u.runIfNew(&u.tried, secret)
	}
	if remaining > 0 {
		return done, false, nil
	}
	reason = fmt.Errorf("no other secret was available within %v", u.window.Round(time.Millisecond))
	if err != nil {
		reason = fmt.Errorf("%w: %w", reason, err)
	}
	return done, true, reason
}

// read reads a newer secret than the current one. If no time remains, it reads from
// the store itself. A read before the last one ends with the window, so that it
// cannot delay the last one.
func (u *useCall) read(ctx context.Context, remaining time.Duration) (Secret, error) {
	if remaining <= 0 {
		return u.p.Get(ctx, u.ref.Fresh())
	}
	ctx, cancel := context.WithTimeout(ctx, remaining)
	defer cancel()
	return u.p.Get(ctx, u.ref.NewerThan(u.current))
}

// isFinal reports whether a read that failed with err would fail again.
func isFinal(err error) bool {
	switch ClassOf(err) {
	case ErrNotFound, ErrDenied, ErrUnsupported, ErrInvalidRef:
		return true
	}
	return false
}

// runStages reads each stage and runs fn with its secret if that is another one.
func (u *useCall) runStages(ctx context.Context) (done bool) {
	for _, stage := range u.Stages {
		ref := Ref{Name: u.ref.Name, Stage: stage, Field: u.ref.Field}
		secret, err := u.readInWindow(ctx, ref.Fresh())
		tried := slices.ContainsFunc(u.tried, secret.sameVersion)
		if err == nil && !secret.Stale && !secret.FromFallback && !tried && u.runIfNew(&u.triedStages, secret) {
			return true
		}
	}
	return false
}

// readInWindow reads ref within the window, or without a timeout if there is no window.
func (u *useCall) readInWindow(ctx context.Context, ref Ref) (Secret, error) {
	if u.window <= 0 {
		return u.p.Get(ctx, ref)
	}
	ctx, cancel := context.WithTimeout(ctx, u.remaining())
	defer cancel()
	return u.p.Get(ctx, ref)
}

// runIfNew runs fn with s unless tried contains s.
func (u *useCall) runIfNew(tried *[]Secret, s Secret) (done bool) {
	if slices.ContainsFunc(*tried, s.sameVersion) {
		return false
	}
	*tried = append(*tried, s)
	return u.run(s)
}

// sameVersion reports whether s and t are the same version. It compares their values
// if one of them has no Version.
func (s Secret) sameVersion(t Secret) bool {
	if s.Version != "" && t.Version != "" {
		return s.Version == t.Version
	}
	return s.Value.Equal(t.Value)
}

// pause waits for d, or until the time of the last read.
func (u *useCall) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(min(d, u.remaining()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return canceled(ctx)
	}
}

func canceled(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrCanceled, ctx.Err()) }
