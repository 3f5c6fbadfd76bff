package chain

import (
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

// A Breaker says when a link that fails is left alone. Each link has a breaker of
// its own, for all secrets together and for fresh reads, too.
//
// It opens when calls in a row end with ErrUnavailable, which is also how a call
// ends that the link's Timeout or its share of the caller's time cut off. What the
// store did answer ends the row: a secret, ErrNotFound, ErrDenied,
// ErrUnauthenticated, ErrThrottled, ErrRefused. The rest says nothing about it:
// ErrAbsent, ErrUnsupported, and a call that the caller cut off.
//
// While it is open the link is skipped, until a random part of the wait is over by
// the wall clock or the monotonic one. Then one call at a time passes, as a probe:
// if its failure counts the wait doubles, if the store answers the breaker closes,
// and if it says nothing the next call is the probe. A probe that is still away
// after a minute is given up.
type Breaker struct {
	// Failures is the length of the row that opens it. 0 is 5; negative: it never
	// opens.
	Failures int

	// Wait is the most that it stays open before the first probe. 0 is 1 s.
	Wait time.Duration

	// MaxWait is the most that Wait doubles to. 0 is 30 s; never less than Wait.
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

// probeLimit is how long a probe may be away before another one goes: one that
// never ends must not take the link out for good.
const probeLimit = time.Minute

// A breaker is one link's. While all is well a call costs it two atomic loads.
//
// A generation begins when it opens, and opens again, and when it lets a probe
// pass. A call counts only in the generation that it entered in: what ends late
// says how the store was, and not how it is.
type breaker struct {
	opt    Breaker
	now    clock.Func
	jitter func(most time.Duration) time.Duration

	state atomic.Uint64 // twice the generation; odd unless failures is 0

	mu       sync.Mutex
	failures int           // in a row; from opt.Failures on it is open
	until    clock.Instant // while it is open: when a call may pass as a probe
	probing  bool          // until is the end of a probe's time
}

// A pass is a call's leave to be made.
type pass struct {
	generation uint64
	probe      bool
}

// A change is what the end of a call meant to the breaker of its link.
type change struct {
	to       string        // opened, closed or empty
	failures int           // in a row
	wait     time.Duration // for the next probe
}

const opened, closed = "opened", "closed"

// enter lets a call pass, or reports that the link is to be skipped.
func (b *breaker) enter() (pass, bool) {
	if state := b.state.Load(); state%2 == 0 {
		return pass{generation: state / 2}, true
	}
	return b.enterTroubled()
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
	return pass{generation: b.begin(), probe: true}, true
}

// leave frees the place of a probe that came to no verdict.
func (b *breaker) leave(p pass) {
	if !p.probe {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.generation == b.state.Load()/2 {
		b.until, b.probing = b.now(), false
	}
}

// settle counts what a call came to; the class is zero if the link answered.
func (b *breaker) settle(p pass, class hush.Class) change {
	switch class {
	case hush.ErrUnavailable:
		return b.failed(p)
	case hush.ErrAbsent, hush.ErrUnsupported, hush.ErrInvalidRef, hush.ErrRejected, hush.ErrCanceled:
		return change{}
	}
	if b.state.Load() == 2*p.generation {
		return change{}
	}
	return b.answered(p)
}

func (b *breaker) failed(p pass) change {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.generation != b.state.Load()/2 {
		return change{}
	}
	b.failures++
	if !b.open() {
		b.state.Store(2*p.generation + 1)
		return change{failures: b.failures}
	}
	wait := b.jitter(b.most())
	b.until, b.probing = b.now().Add(wait), false
	b.begin()
	if b.failures > b.opt.Failures { // it was open before
		return change{failures: b.failures, wait: wait}
	}
	return change{to: opened, failures: b.failures, wait: wait}
}

func (b *breaker) answered(p pass) change {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.generation != b.state.Load()/2 {
		return change{}
	}
	ended, wasOpen := b.failures, b.open()
	b.failures = 0
	b.state.Store(2 * p.generation)
	if !wasOpen {
		return change{}
	}
	return change{to: closed, failures: ended}
}

func (b *breaker) open() bool { return b.failures >= b.opt.Failures }

// begin begins a generation of an open breaker.
func (b *breaker) begin() uint64 {
	generation := b.state.Load()/2 + 1
	b.state.Store(2*generation + 1)
	return generation
}

// most returns the wait that is due, before jitter.
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

// fullJitter returns a random part of most, and never nothing.
func fullJitter(most time.Duration) time.Duration {
	return most - rand.N(most) //nolint:gosec // jitter needs no secrecy
}

// pause returns for how long a link that was skipped will be, zero if that is until
// a probe ends, and the same as a cause.
func (b *breaker) pause() (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open() {
		return 0, errors.New("not asked: its breaker was open until just now")
	}
	if b.probing {
		return 0, errors.New("not asked: its breaker is open, and a probe is under way")
	}
	wait := max(b.now().Until(b.until), 0)
	return wait, fmt.Errorf("not asked: its breaker is open, and the next probe is due in %v", max(wait.Round(time.Millisecond), time.Millisecond))
}
