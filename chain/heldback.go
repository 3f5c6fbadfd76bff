package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hush-secrets/hush/internal/clock"
)

// A link that its breaker holds back is called after all if no other link returns the
// secret. maxCalls bounds these calls, because the store may still be down, and
// placeLimit is the age at which a call gives up its place, because it may hang.
const (
	maxCalls   = 4
	placeLimit = time.Second
)

// A place is the place of one call after all.
type place struct {
	of      *breaker
	opening int    // the call came when the breaker was open for the opening-th time
	resume  func() // called when the wait ends; may be nil

	granted chan struct{} // closed when the call may start
	pass    pass          // then
	until   clock.Instant // when the call is too old for its place
	timer   *time.Timer
}

// enterLast returns a pass for a call after all. It waits for a place until ctx is
// done. If the breaker closes meanwhile, the pass is an ordinary one. It calls resume,
// unless that is nil, when the wait ends, and for all waiting calls together if the
// breaker closes.
func (b *breaker) enterLast(ctx context.Context, resume func()) (pass, error) {
	p := b.queue(resume)
	select {
	case <-p.granted:
	case <-ctx.Done():
		if b.withdraw(p) {
			return pass{}, ctx.Err()
		}
	}
	return p.pass, nil
}

func (b *breaker) queue(resume func()) *place {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &place{of: b, opening: b.opening, resume: resume, granted: make(chan struct{})}
	if !b.open() {
		p.start(pass{generation: b.state.Load() / 2})
		return p
	}
	b.waiting = append(b.waiting, p)
	b.grant()
	return p
}

// withdraw ends the wait of p, and reports whether p was still waiting.
func (b *breaker) withdraw(p *place) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, p)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	p.start(pass{})
	return true
}

// grant gives free places to the newest calls, which have the most time left: a call
// that has waited for most of its Timeout could not tell whether the store is back.
func (b *breaker) grant() {
	now := b.now()
	// In a frozen process the timers stand still.
	b.taken = slices.DeleteFunc(b.taken, func(p *place) bool { return now.Reached(p.until) })
	for len(b.taken) < maxCalls && len(b.waiting) > 0 {
		last := len(b.waiting) - 1
		p := b.waiting[last]
		b.waiting = slices.Delete(b.waiting, last, last+1)
		b.taken = append(b.taken, p)
		p.until = now.Add(placeLimit)
		p.timer = time.AfterFunc(placeLimit, p.release)
		p.start(pass{place: p})
	}
}

// releaseWaiting lets all calls that wait start as ordinary calls of generation.
func (b *breaker) releaseWaiting(generation uint64) {
	for _, p := range b.waiting {
		p.start(pass{generation: generation})
	}
	b.waiting = nil
}

func (p *place) start(with pass) {
	p.pass = with
	if p.resume != nil {
		p.resume()
	}
	close(p.granted)
}

// release gives the place to the next call, if it is not free yet.
func (p *place) release() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.timer.Stop()
	if i := slices.Index(p.of.taken, p); i >= 0 {
		p.of.taken = slices.Delete(p.of.taken, i, i+1)
		p.of.grant()
	}
}

// heldBack returns the time until the next probe, zero if a probe is in flight, and why
// the link was not called.
func (b *breaker) heldBack() (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open() {
		return 0, errors.New("not called: its breaker was open until just now")
	}
	if b.probing {
		return 0, errors.New("not called: its breaker is open, and a probe is in flight")
	}
	wait := max(b.now().Until(b.until), 0)
	return wait, fmt.Errorf("not called: its breaker is open, and the next probe is due in %v", max(wait.Round(time.Millisecond), time.Millisecond))
}
