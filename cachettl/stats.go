package cachettl

import (
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
)

// Stats are what a Cache has done since it was made.
type Stats struct {
	Hits      uint64                // answered from memory within the TTL
	Stale     uint64                // answered from memory past it
	Misses    uint64                // answered by a fetch, or not at all
	Fetches   uint64                // times that next was asked, confirmations apart
	Failures  map[hush.Class]uint64 // fetches that failed, by class
	Abandoned uint64                // fetches that were cut off
	Rotations uint64                // times that the store gave another version
	Evictions uint64                // secrets that made room for others

	Entries     int           // held now
	OldestStale time.Duration // how far past its TTL the oldest of those is that were served stale
}

// counts are the counters behind Stats. Hits are counted at the entries, where
// readers of different secrets do not meet.
type counts struct {
	hits, stale, misses, abandoned, rotations, evictions atomic.Uint64
	failures                                             [hush.ErrCanceled + 1]atomic.Uint64
}

func (n *counts) fail(class hush.Class) { n.failures[class].Add(1) }

// count counts one Get that was not answered at a glance.
func (n *counts) count(m move, answer *held) {
	switch {
	case answer != nil && answer.secret.Stale:
		n.stale.Add(1)
	case m.answer != nil && answer.err == nil:
		n.hits.Add(1)
	default:
		n.misses.Add(1)
	}
}

// Stats returns the counters. It takes the lock that a miss takes.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, now := &c.counts, c.now()
	s := Stats{
		Hits: n.hits.Load(), Stale: n.stale.Load(), Misses: n.misses.Load(), Fetches: c.asked,
		Failures: map[hush.Class]uint64{}, Abandoned: n.abandoned.Load(), Rotations: n.rotations.Load(),
		Evictions: n.evictions.Load(),
	}
	for class := range n.failures {
		if count := n.failures[class].Load(); count > 0 {
			s.Failures[hush.Class(class)] = count
		}
	}
	for _, e := range c.table.entries() {
		s.Hits += e.hits.Load()
		h := e.held.Load()
		if h == nil {
			continue
		}
		s.Entries++
		if e.stale && now.Reached(h.fresh) {
			s.OldestStale = max(s.OldestStale, now.Since(h.fresh))
		}
	}
	return s
}
