package cachettl

import (
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
)

// Stats are the counters of a Cache since New.
type Stats struct {
	Hits      uint64                // Gets served from memory within the TTL
	Stale     uint64                // Gets served from memory past the TTL
	Misses    uint64                // Gets that waited for a fetch, or failed
	Fetches   uint64                // calls of the next provider, without confirmations
	Failures  map[hush.Class]uint64 // failed fetches, by class
	Abandoned uint64                // fetches without a result, because the process stood still
	Rotations uint64                // changes of a secret's version
	Evictions uint64                // secrets evicted to make room

	CallbackPanics uint64 // panics of OnRotate and OnStale

	Entries     int           // secrets in memory
	OldestStale time.Duration // time past the TTL of the oldest secret that was served stale
}

// counts are the counters behind Stats. Each entry counts its own hits, so that
// readers of different secrets share no memory.
type counts struct {
	hits, stale, misses, fetches, abandoned, rotations, evictions, callbackPanics atomic.Uint64
	failures                                                                      [hush.ErrCanceled + 1]atomic.Uint64
}

func (n *counts) fail(class hush.Class) { n.failures[class].Add(1) }

// count counts one Get that was not a hit.
func (n *counts) count(s step, result *record) {
	switch {
	case result != nil && result.secret.Stale:
		n.stale.Add(1)
	case s.record != nil && result.err == nil:
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
		Hits: n.hits.Load(), Stale: n.stale.Load(), Misses: n.misses.Load(), Fetches: n.fetches.Load(),
		Failures: map[hush.Class]uint64{}, Abandoned: n.abandoned.Load(), Rotations: n.rotations.Load(),
		Evictions: n.evictions.Load(), CallbackPanics: n.callbackPanics.Load(),
	}
	for class := range n.failures {
		if count := n.failures[class].Load(); count > 0 {
			s.Failures[hush.Class(class)] = count
		}
	}
	for _, e := range c.table.entries() {
		s.Hits += e.hits.Load()
		r := e.record.Load()
		if r == nil {
			continue
		}
		s.Entries++
		if e.staleServed && now.Reached(r.ttlEnd) {
			s.OldestStale = max(s.OldestStale, now.Since(r.ttlEnd))
		}
	}
	return s
}
