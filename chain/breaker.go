package chain

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A Breaker says when a chain stops calling a link that keeps failing. Each link has
// its own breaker, which counts the calls for all secrets, fresh reads included.
//
// A breaker opens after a number of consecutive calls that failed with
// ErrUnavailable. A call that exceeds the link's Timeout fails so. A call that the
// caller's deadline, or the caller's share of time, cut off counts only if it ran for
// 1 s, or for the link's Timeout if that is shorter: a caller in a hurry says nothing
// about the store. A response of the store ends the row: a secret, ErrNotFound,
// ErrDenied, ErrUnauthenticated, ErrThrottled or ErrRefused. Other results count
// neither way: ErrAbsent, ErrUnsupported, and a call that the caller canceled.
//
// Open means last, not never. While a breaker is open, the chain passes over its link
// in favor of the other links. If no other link returns the secret, the chain calls
// the link after all: at most four such calls that are younger than 1 s are in flight,
// and the others wait, within the caller's context and the link's Timeout. The first
// response closes the breaker and releases all calls that wait. The failure of such a
// call changes nothing.
//
// After a random part of the wait, by the wall clock or the monotonic clock, one call
// at a time is a probe that takes its turn before the other links. If the store
// responds, the breaker closes. If the probe fails, the wait doubles. If the probe
// counts neither way, the next call is a probe. A probe that has not ended after a
// minute is ignored.
type Breaker struct {
	// Failures is the number of consecutive failures that opens the breaker. Zero
	// means 5. A negative value means that the breaker never opens.
	Failures int

	// Wait is the longest time from the opening to the first probe. Zero means 1 s.
	Wait time.Duration

	// MaxWait is the limit for the doubling of Wait. Zero means 30 s. A MaxWait below
	// Wait means Wait.
	MaxWait time.Duration
}

func (o Breaker) withDefaults() Breaker {
	switch {
	case o.Failures == 0:
		o.Failures = 5
	case o.Failures < 0:
		o.Failures = math.MaxInt
	}
	if o.Wait <= 0 {
		o.Wait = time.Second
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 30 * time.Second
	}
	o.MaxWait = max(o.MaxWait, o.Wait)
	return o
}

// probeLimit is the time after which a probe is ignored: a probe that never ends must
// not keep its link out of use.
const probeLimit = time.Minute

// A breaker belongs to one link. While the link is healthy, a call costs two atomic
// loads and no write.
//
// A generation begins when the breaker opens or closes, when a probe starts and when a
// probe fails. A call counts only in the generation in which it started: the end of an
// older call says how the store was, and not how it is.
type breaker struct {
	opt    Breaker
	now    clock.Func
	jitter func(most time.Duration) time.Duration

	state atomic.Uint64 // twice the generation; odd unless failures is 0

	mu       sync.Mutex
	failures int           // consecutive; the breaker is open from opt.Failures on
	until    clock.Instant // while open: when a call may pass as a probe
	probing  bool          // a probe is in flight, and until is the end of its time
	opening  int           // how often the breaker has opened
	taken    []*place      // of calls after all
	waiting  []*place      // the newest last
}

func newBreaker(o Options) *breaker {
	return &breaker{opt: o.Breaker, now: o.now, jitter: o.jitter}
}

// A pass allows one call.
type pass struct {
	generation uint64
	probe      bool
	place      *place // of a call after all; otherwise nil
}

// A change is the effect of a call's end on the breaker of its link.
type change struct {
	to       string        // opened, closed or empty
	failures int           // consecutive
	wait     time.Duration // until the next probe
}

const opened, closed = "opened", "closed"

// enter returns a pass, or reports that the breaker holds the link back.
func (b *breaker) enter() (pass, bool) {
	if p, ok := b.enterHealthy(); ok {
		return p, true
	}
	return b.enterTroubled()
}

// enterHealthy returns a pass if the link has not failed since its last response. Such a
// pass holds nothing that leave would give back, and if its call returns the secret, the
// breaker neither opens nor closes.
func (b *breaker) enterHealthy() (pass, bool) {
	state := b.state.Load()
	return pass{generation: state / 2}, state%2 == 0
}

func (b *breaker) enterTroubled() (pass, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open() {
		return pass{generation: b.state.Load() / 2}, true
	}
	now := b.now()
	if !now.Reached(b.until) {
		return pass{}, false
	}
	b.until, b.probing = now.Add(probeLimit), true
	return pass{generation: b.begin(1), probe: true}, true
}

// leave gives back what p holds when its call has ended, by a panic, too.
func (b *breaker) leave(p pass) {
	switch {
	case p.place != nil:
		p.place.release()
	case p.probe:
		b.endProbe(p)
	}
}

// endProbe makes the next call a probe, if p was one that counted neither way.
func (b *breaker) endProbe(p pass) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.generation == b.state.Load()/2 {
		b.until, b.probing = b.now(), false
	}
}

// settle counts the result of a call. A class of zero means a secret.
func (b *breaker) settle(p pass, class hush.Class) change {
	switch class {
	case hush.ErrUnavailable:
		if p.place != nil {
			return change{}
		}
		return b.failed(p)
	case hush.ErrAbsent, hush.ErrUnsupported, hush.ErrInvalidRef, hush.ErrRejected, hush.ErrCanceled:
		return change{}
	}
	if p.place == nil && b.state.Load() == 2*p.generation {
		return change{}
	}
	return b.responded(p)
}

func (b *breaker) failed(p pass) change {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.counts(p) {
		return change{}
	}
	b.failures++
	if !b.open() {
		b.state.Store(2*p.generation + 1)
		return change{failures: b.failures}
	}
	wait := b.jitter(b.most())
	b.until, b.probing = b.now().Add(wait), false
	b.begin(1)
	if b.failures > b.opt.Failures { // it was open before
		return change{failures: b.failures, wait: wait}
	}
	b.opening++
	return change{to: opened, failures: b.failures, wait: wait}
}

func (b *breaker) responded(p pass) change {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.counts(p) {
		return change{}
	}
	ended, wasOpen := b.failures, b.open()
	b.failures = 0
	if !wasOpen {
		b.state.Store(2 * p.generation)
		return change{}
	}
	b.releaseWaiting(b.begin(0))
	return change{to: closed, failures: ended}
}

// counts reports whether the result of p's call says how the store is now. A call after
// all counts until the breaker closes, whatever probes start or fail meanwhile.
func (b *breaker) counts(p pass) bool {
	if p.place != nil {
		return b.open() && p.place.opening == b.opening
	}
	return p.generation == b.state.Load()/2
}

func (b *breaker) open() bool { return b.failures >= b.opt.Failures }

// begin begins a generation and returns its number. trouble is 0 if the breaker is
// closed without a failure, otherwise 1.
func (b *breaker) begin(trouble uint64) uint64 {
	generation := b.state.Load()/2 + 1
	b.state.Store(2*generation + trouble)
	return generation
}

// most returns the wait before the next probe, without jitter.
func (b *breaker) most() time.Duration {
	most := b.opt.Wait
	for range b.failures - b.opt.Failures {
		if most > b.opt.MaxWait/2 {
			return b.opt.MaxWait
		}
		most *= 2
	}
	return most
}

// fullJitter returns a random part of most, greater than zero.
func fullJitter(most time.Duration) time.Duration {
	return most - rand.N(most) //nolint:gosec // jitter needs no secrecy
}
