package chain

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A Breaker configures the circuit breaker of each link. Each link has a breaker of its
// own, which counts the calls for all secrets.
//
// A breaker opens after a number of consecutive calls that failed with ErrUnavailable. A
// call that exceeds the link's Timeout is such a call. A call that the caller's deadline,
// or the link's share of it, interrupted counts only if it ran for 1 s, or for the link's
// Timeout if that is shorter. A response of the store resets the count: a secret,
// ErrNotFound, ErrDenied, ErrUnauthenticated, ErrThrottled or ErrRefused. Other results
// have no effect: ErrAbsent, ErrUnsupported, and a call that the caller canceled.
//
// While a breaker is open, the chain skips its link. If no other link returns the secret,
// the chain makes a last-resort call to the link. Four slots limit these calls. A call
// holds its slot for at most 1 s; further calls wait for a slot, within the caller's
// context and the link's Timeout. The first response closes the breaker and releases all
// calls that wait. A last-resort call that fails has no effect on the breaker.
//
// After a random part of the wait, by the wall clock or the monotonic clock, the breaker
// lets one call at a time through as a probe. A response closes the breaker. A failure
// doubles the wait. If the result of a probe has no effect, the next call is a probe. A
// probe that takes longer than a minute is ignored.
type Breaker struct {
	// Failures is the number of consecutive failures that opens the breaker. Zero
	// means 5. A negative value means that the breaker never opens.
	Failures int

	// Wait is the longest time from the opening to the first probe. Zero or a negative
	// value means 1 s.
	Wait time.Duration

	// MaxWait is the limit for the doubling of Wait. Zero or a negative value means 30 s.
	// A MaxWait below Wait means Wait.
	MaxWait time.Duration
}

func (o Breaker) withDefaults() Breaker {
	if o.Failures = cmp.Or(o.Failures, 5); o.Failures < 0 {
		o.Failures = math.MaxInt
	}
	o.Wait = cmp.Or(max(o.Wait, 0), time.Second)
	o.MaxWait = max(cmp.Or(max(o.MaxWait, 0), 30*time.Second), o.Wait)
	return o
}

// probeTimeout is the time after which a probe is ignored, so that a probe that hangs does
// not keep its link out of use.
const probeTimeout = time.Minute

// A breaker belongs to one link. While the link is healthy, a call costs two atomic loads
// and no write.
//
// A new generation begins when the breaker opens or closes, and when a probe starts or
// fails. A call counts only in the generation in which it started, because the end of an
// older call describes an earlier state of the store.
type breaker struct {
	opts   Breaker
	now    clock.Func
	jitter func(wait time.Duration) time.Duration

	state atomic.Uint64 // twice the generation, plus 1 if the last call failed

	mu       sync.Mutex
	failures int           // consecutive; the breaker is open from opts.Failures on
	probeAt  clock.Instant // while open: when the next call is a probe
	probing  bool          // a probe is in flight, and probeAt is its timeout
	openings int           // how many times the breaker has opened
	slots    []*slot       // in use by last-resort calls
	waiters  []*slot       // of last-resort calls that wait, the newest last
}

// A permit allows one call.
type permit struct {
	generation uint64
	probe      bool
	slot       *slot // of a last-resort call; otherwise nil
}

// A transition is the effect of a call's result on the breaker of its link.
type transition struct {
	to       string        // opened, closed or empty
	failures int           // consecutive
	wait     time.Duration // until the next probe
}

const opened, closed = "opened", "closed"

// acquire returns a permit, or false if the breaker is open.
func (b *breaker) acquire() (permit, bool) {
	if p, ok := b.acquireHealthy(); ok {
		return p, true
	}
	return b.acquireUnhealthy()
}

// acquireHealthy returns a permit if the link has not failed since its last response. The
// caller need not release such a permit.
func (b *breaker) acquireHealthy() (permit, bool) {
	state := b.state.Load()
	return permit{generation: state / 2}, state%2 == 0
}

func (b *breaker) acquireUnhealthy() (permit, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open() {
		return permit{generation: b.generation()}, true
	}
	now := b.now()
	if !now.Reached(b.probeAt) {
		return permit{}, false
	}
	b.probeAt, b.probing = now.Add(probeTimeout), true
	return permit{generation: b.nextGeneration(1), probe: true}, true
}

// release ends the call of p, even if the call panicked.
func (b *breaker) release(p permit) {
	switch {
	case p.slot != nil:
		p.slot.release()
	case p.probe:
		b.releaseProbe(p)
	}
}

// releaseProbe makes the next call a probe if the result of p had no effect.
func (b *breaker) releaseProbe(p permit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isCurrent(p) {
		b.probeAt, b.probing = b.now(), false
	}
}

// record counts the result of a call. A class of zero means a secret.
func (b *breaker) record(p permit, class hush.Class) transition {
	switch class {
	case hush.ErrUnavailable:
		if p.slot != nil {
			return transition{}
		}
		return b.recordFailure(p)
	case hush.ErrAbsent, hush.ErrUnsupported, hush.ErrInvalidRef, hush.ErrRejected, hush.ErrCanceled:
		return transition{}
	}
	if p.slot == nil && b.state.Load() == 2*p.generation {
		return transition{}
	}
	return b.recordResponse(p)
}

func (b *breaker) recordFailure(p permit) transition {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isCurrent(p) {
		return transition{}
	}
	b.failures++
	if !b.open() {
		b.state.Store(2*p.generation + 1)
		return transition{failures: b.failures}
	}
	t := transition{failures: b.failures, wait: b.jitter(b.backoff())}
	if b.failures == b.opts.Failures {
		t.to = opened
		b.openings++
	}
	b.probeAt, b.probing = b.now().Add(t.wait), false
	b.nextGeneration(1)
	return t
}

func (b *breaker) recordResponse(p permit) transition {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isCurrent(p) {
		return transition{}
	}
	failures, wasOpen := b.failures, b.open()
	b.failures = 0
	if !wasOpen {
		b.state.Store(2 * p.generation)
		return transition{}
	}
	b.releaseWaiters(b.nextGeneration(0))
	return transition{to: closed, failures: failures}
}

// isCurrent reports whether the result of p's call describes the present state of the
// store. A last-resort call is current until the breaker closes, even if probes start or
// fail in the meantime.
func (b *breaker) isCurrent(p permit) bool {
	if p.slot != nil {
		return b.open() && p.slot.opening == b.openings
	}
	return p.generation == b.generation()
}

func (b *breaker) open() bool { return b.failures >= b.opts.Failures }

func (b *breaker) generation() uint64 { return b.state.Load() / 2 }

// nextGeneration begins a generation and returns it. failed is 1 if the last call failed,
// otherwise 0.
func (b *breaker) nextGeneration(failed uint64) uint64 {
	next := b.generation() + 1
	b.state.Store(2*next + failed)
	return next
}

// backoff returns the wait before the next probe, without jitter.
func (b *breaker) backoff() time.Duration {
	wait := b.opts.Wait
	for range b.failures - b.opts.Failures {
		if wait > b.opts.MaxWait/2 {
			return b.opts.MaxWait
		}
		wait *= 2
	}
	return wait
}

// fullJitter returns a random part of wait, greater than zero.
func fullJitter(wait time.Duration) time.Duration {
	return wait - rand.N(wait) //nolint:gosec // jitter needs no secrecy
}

// skipReason returns the time until the next probe, zero if a probe is in flight, and why
// the chain skips the link.
func (b *breaker) skipReason() (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open() {
		return 0, errors.New("skipped: breaker has just closed")
	}
	if b.probing {
		return 0, errors.New("skipped: breaker is open, probe in flight")
	}
	wait := max(b.now().Until(b.probeAt), 0)
	return wait, fmt.Errorf("skipped: breaker is open, next probe in %v", max(wait.Round(time.Millisecond), time.Millisecond))
}
