package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// lastResort calls the links that were skipped, in order, because no other link has
// returned the secret. If the Policy of a skipped link ended the lookup, the links after
// it have their turn now.
func (s *lookup) lastResort(ctx context.Context) bool {
	s.insertSkipped()
	for i := 0; i < len(s.attempts) && !s.ended(); i++ {
		if a := &s.attempts[i]; a.skipped && !s.throttled(a.link) && s.callLastResort(ctx, i) {
			return true
		}
		if i == len(s.attempts)-1 && s.forward(ctx) {
			return true
		}
	}
	return false
}

// callLastResort calls the link of attempt i, and reports whether it returned the secret.
func (s *lookup) callLastResort(ctx context.Context, i int) bool {
	l := s.attempts[i].link
	limited, cancel, _ := l.withLimit(ctx, s.countSkipped(i))
	defer cancel()
	class := s.callWithSlot(ctx, &linkCall{link: l, index: i, limited: limited})
	s.stopped = class != 0 && !l.continues(class)
	return class == 0
}

// callWithSlot waits for a slot and then makes the call.
func (s *lookup) callWithSlot(ctx context.Context, c *linkCall) hush.Class {
	var err error
	if c.permit, err = c.breaker.acquireSlot(c.limited, s.batcher); err != nil {
		return s.recordNoSlot(ctx, c)
	}
	defer c.release()
	if deadline, ok := c.limited.Deadline(); ok {
		c.time = time.Until(deadline)
	}
	return s.call(ctx, c)
}

// recordNoSlot records that the time limit of c ended before there was a slot.
func (s *lookup) recordNoSlot(ctx context.Context, c *linkCall) hush.Class {
	s.end = endOf(ctx)
	class, cause := hush.ErrUnavailable, errors.New(context.Cause(c.limited).Error())
	if s.end != nil {
		class, cause = classOfEnd(s.end), s.end
	}
	cause = fmt.Errorf("not called: breaker is open, no slot for a last-resort call: %w", cause)
	s.record(c, hush.NewError(c.Name, s.reported(), class, cause))
	return class
}

const (
	// maxSlots limits the last-resort calls of a link, because its store may still be
	// down.
	maxSlots = 4
	// slotTimeout is how long a call holds its slot, because the call may hang.
	slotTimeout = time.Second
)

// A slot belongs to one last-resort call, from the start of its wait.
type slot struct {
	breaker *breaker
	opening int      // breaker.openings at the start of the wait
	batcher *batcher // of the lookup, which runs again when the wait ends

	granted chan struct{} // closed when the wait ends
	permit  permit        // valid from then on
	until   clock.Instant // when the call loses its slot
	timer   *time.Timer
}

// acquireSlot waits for the slot of a last-resort call until ctx is done. If the breaker
// closes first, the permit is that of an ordinary call. If the breaker closes, all waits
// end before a call starts.
//
// The lookup does not run for its batcher during the wait, so that batches of other lookups
// do not wait for this one. It runs until it is enqueued. Otherwise a last-resort call could
// close the breaker first, and each later lookup would be alone in its batch.
func (b *breaker) acquireSlot(ctx context.Context, batcher *batcher) (permit, error) {
	s := b.enqueue(batcher)
	batcher.addRunning(-1)
	select {
	case <-s.granted:
	case <-ctx.Done():
		if b.dequeue(s) {
			return permit{}, ctx.Err()
		}
	}
	return s.permit, nil
}

func (b *breaker) enqueue(batcher *batcher) *slot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &slot{breaker: b, opening: b.openings, batcher: batcher, granted: make(chan struct{})}
	if !b.open() {
		s.grant(permit{generation: b.generation()})
		return s
	}
	b.waiters = append(b.waiters, s)
	b.grantSlots()
	return s
}

// dequeue ends the wait of s. It reports whether s was still waiting.
func (b *breaker) dequeue(s *slot) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiters, s)
	if i < 0 {
		return false
	}
	b.waiters = slices.Delete(b.waiters, i, i+1)
	s.grant(permit{})
	return true
}

// grantSlots gives free slots to the newest calls, which have the most time left. A call
// that has waited for most of its Timeout could not find out whether the store is back.
func (b *breaker) grantSlots() {
	now := b.now()
	// Timers do not run in a frozen process, so the clock decides, too.
	b.slots = slices.DeleteFunc(b.slots, func(s *slot) bool { return now.Reached(s.until) })
	for len(b.slots) < maxSlots && len(b.waiters) > 0 {
		last := len(b.waiters) - 1
		s := b.waiters[last]
		b.waiters = slices.Delete(b.waiters, last, last+1)
		b.slots = append(b.slots, s)
		s.until = now.Add(slotTimeout)
		s.timer = time.AfterFunc(slotTimeout, s.release)
		s.grant(permit{slot: s})
	}
}

// releaseWaiters lets all calls that wait start as ordinary calls of generation.
func (b *breaker) releaseWaiters(generation uint64) {
	for _, s := range b.waiters {
		s.grant(permit{generation: generation})
	}
	b.waiters = nil
}

// grant ends the wait of s.
func (s *slot) grant(p permit) {
	s.permit = p
	s.batcher.addRunning(1)
	close(s.granted)
}

// release frees the slot for another call. A second release has no effect.
func (s *slot) release() {
	b := s.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	s.timer.Stop()
	b.slots = slices.DeleteFunc(b.slots, func(other *slot) bool { return other == s })
	b.grantSlots()
}
