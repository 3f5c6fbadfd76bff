package cachettl

import (
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// This file handles a process that stands still while a fetch is in flight: a
// Lambda function that is frozen between invocations, a process that is stopped
// by a signal or a cgroup, or a machine that is suspended.
//
// Stale-if-error means error, not interruption. An interrupted fetch says nothing
// about the store, so its failure must not let the cache serve an old secret. The
// rules are:
//
//  1. While a fetch is in flight, a timer beats every 50 ms. Gets that miss and
//     ends of fetches also beat. If 500 ms pass on either clock between two beats,
//     the process stood still, and every fetch in flight is interrupted. A shorter
//     gap counts as running, because a CPU quota can stall a process for 100 ms
//     and a garbage collection on a busy machine for longer.
//  2. A secret that an interrupted fetch returns within FetchTimeout counts as
//     usual. Any other end is void: the entry is unchanged, and the Gets that
//     waited look again.
//  3. A Get that finds an interrupted fetch abandons it and starts another. A
//     fetch that follows an interrupted fetch is abandoned only past FetchTimeout.
//     Otherwise a process that is stopped often would never complete a fetch.
//  4. A stop makes the cache halting: no fetch is expected to end after the Get
//     that started it has returned. While the cache is halting, one Get for each
//     fetch waits in full; see wait.go. The cache halts until an uninterrupted
//     fetch ends that a Get had left with a stale secret, because then fetches end
//     in the background again.
//
// A fetch that is past FetchTimeout and was not interrupted has failed like any
// other, whether its own timer or a Get finds it.

const (
	beatInterval = 50 * time.Millisecond
	maxBeatGap   = 500 * time.Millisecond
)

// A watch notices that the process stood still. Cache.mu guards it.
type watch struct {
	timer   *time.Timer   // runs while a fetch is in flight
	last    clock.Instant // the last beat
	stops   uint64        // number of times that the process stood still
	halting bool
}

// beat records that the process runs at now, and notices if it stood still since
// the last beat.
func (c *Cache) beat(now clock.Instant) {
	w := &c.watch
	if now.Mono <= w.last.Mono && now.Wall <= w.last.Wall {
		return // read before the last beat, by a goroutine that then waited for mu
	}
	if c.table.inFlight > 0 && now.Since(w.last) >= maxBeatGap {
		w.stops++
		w.halting = true
	}
	w.last = now
}

// tick is the timer's beat.
func (c *Cache) tick() {
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	if c.table.inFlight > 0 {
		c.beat(now)
		c.watch.timer.Reset(beatInterval)
	}
}

// enterFlight adds f to the fetches in flight. The first one starts the timer.
func (c *Cache) enterFlight(f *fetch) {
	f.entry.fetch, f.stops = f, c.watch.stops
	f.followsInterrupted = f.entry.interrupted
	c.active.Add(1)
	c.table.inFlight++
	switch {
	case c.table.inFlight > 1:
	case c.watch.timer == nil:
		c.watch.timer = time.AfterFunc(beatInterval, c.tick)
	default:
		c.watch.timer.Reset(beatInterval)
	}
}

// leaveFlight removes f from the fetches in flight. The last one stops the timer.
func (c *Cache) leaveFlight(f *fetch) {
	f.entry.fetch = nil
	if c.table.inFlight--; c.table.inFlight == 0 {
		c.watch.timer.Stop()
	}
}

// interrupted reports whether the process stood still since f started.
func (c *Cache) interrupted(f *fetch) bool { return f.stops != c.watch.stops }

// retire ends the fetch for whole if a Get must not join it any more. It reports
// whether the next fetch follows an interrupted one.
func (c *Cache) retire(whole hush.Ref, now clock.Instant) (followsInterrupted bool) {
	e := c.table.find(&whole)
	if e == nil || e.fetch == nil {
		return false
	}
	f := e.fetch
	late, interrupted := now.Reached(f.limit), c.interrupted(f)
	switch {
	case late:
		c.end(f, hush.Secret{}, c.timeout(e.ref), now)
	case interrupted && !f.followsInterrupted:
		c.abandon(f)
	default:
		return false
	}
	return interrupted
}

// abandon ends f without a result.
func (c *Cache) abandon(f *fetch) {
	e := f.entry
	f.abandoned, e.interrupted = true, true
	if r := e.good(); r != nil && r.hitUntil != r.refreshAt {
		e.record.Store(r.refreshLater(r.refreshAt)) // the refresh is due again
	}
	c.counts.abandoned.Add(1)
	c.release(f)
}
