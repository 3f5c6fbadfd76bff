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
//  1. While a fetch is in flight, a timer calls heartbeat every 50 ms. Gets that
//     miss and ends of fetches also call it. If 500 ms pass on either clock between
//     two heartbeats, the process stood still, and every fetch in flight is
//     interrupted. A shorter gap counts as running, because a CPU quota can stall a
//     process for 100 ms and a garbage collection on a busy machine for longer.
//  2. A secret that an interrupted fetch returns within FetchTimeout counts as
//     usual. Any other end is ignored: the entry is unchanged, and the Gets that
//     waited look again.
//  3. A Get that finds an interrupted fetch abandons it and starts another. A
//     fetch that follows an interrupted fetch is abandoned only past FetchTimeout.
//     Otherwise a process that is stopped often would never complete a fetch.
//  4. After a stop, the background stalls: no fetch is expected to end after the Get
//     that started it has returned. Meanwhile one Get for each fetch waits in full;
//     see wait.go. This ends when an uninterrupted fetch ends that a Get had left
//     with a stale secret, because then fetches end in the background again.
//
// A fetch that is past FetchTimeout and was not interrupted has failed like any
// other, whether its own timer or a Get finds it.

const (
	heartbeatInterval = 50 * time.Millisecond
	maxHeartbeatGap   = 500 * time.Millisecond
)

// A watchdog notices that the process stood still. Cache.mu guards it.
type watchdog struct {
	timer            *time.Timer // runs while a fetch is in flight
	lastHeartbeat    clock.Instant
	stops            uint64 // number of times that the process stood still
	backgroundStalls bool   // see rule 4
}

// heartbeat records that the process runs at now, and notices if it stood still since
// the last heartbeat.
func (c *Cache) heartbeat(now clock.Instant) {
	w := &c.watchdog
	if now.Mono <= w.lastHeartbeat.Mono && now.Wall <= w.lastHeartbeat.Wall {
		return // read before the last heartbeat, by a goroutine that then waited for mu
	}
	if c.table.inFlight > 0 && now.Since(w.lastHeartbeat) >= maxHeartbeatGap {
		w.stops++
		w.backgroundStalls = true
	}
	w.lastHeartbeat = now
}

// tick is the timer's heartbeat.
func (c *Cache) tick() {
	now := c.now()
	c.mu.Lock()
	defer c.unlock()
	if c.table.inFlight > 0 {
		c.heartbeat(now)
		c.watchdog.timer.Reset(heartbeatInterval)
	}
}

// enterFlight adds f to the fetches in flight. The first one starts the timer.
func (c *Cache) enterFlight(f *fetch) {
	f.entry.fetch, f.stops = f, c.watchdog.stops
	f.followsInterrupted = f.entry.interrupted
	c.active.Add(1)
	c.table.inFlight++
	switch {
	case c.table.inFlight > 1:
	case c.watchdog.timer == nil:
		c.watchdog.timer = time.AfterFunc(heartbeatInterval, c.tick)
	default:
		c.watchdog.timer.Reset(heartbeatInterval)
	}
}

// leaveFlight removes f from the fetches in flight. The last one stops the timer.
func (c *Cache) leaveFlight(f *fetch) {
	f.entry.fetch = nil
	if c.table.inFlight--; c.table.inFlight == 0 {
		c.watchdog.timer.Stop()
	}
}

// isInterrupted reports whether the process stood still since f started.
func (c *Cache) isInterrupted(f *fetch) bool { return f.stops != c.watchdog.stops }

// reap ends the fetch for key if it is late or was interrupted, because no Get must
// join it any more. It reports whether the next fetch follows an interrupted one.
func (c *Cache) reap(key hush.Ref, now clock.Instant) (followsInterrupted bool) {
	e := c.table.find(&key)
	if e == nil || e.fetch == nil {
		return false
	}
	f := e.fetch
	interrupted := c.isInterrupted(f)
	switch {
	case c.isLate(f, now):
		c.end(f, hush.Secret{}, unavailable(e.ref, c.timedOut.Err), now)
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
	if r := e.fromStore(); r != nil && r.isRefreshPostponed() {
		e.record.Store(r.postponeRefresh(r.refreshAt)) // f was the refresh
	}
	c.stats.Abandoned++
	c.release(f)
}
