package cachettl

import (
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/hush-secrets/hush"
)

// Stats are the counters of a Cache since New. Every Get that returns is counted
// once, as a hit, as stale or as a miss, except that hits are counted only with
// Options.CountHits. A counter may be read before a Get that runs at the same time
// adds to it.
type Stats struct {
	Hits      uint64                // Gets served from memory within the TTL; 0 without Options.CountHits
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

// counts are the counters behind Stats.
type counts struct {
	hits *xsync.Counter // striped, because every core counts hits; nil: not counted

	stale, misses, fetches, abandoned, rotations, evictions, callbackPanics atomic.Uint64
	failures                                                                [hush.ErrCanceled + 1]atomic.Uint64
}

func (n *counts) hit() {
	if n.hits != nil {
		n.hits.Inc()
	}
}

func (n *counts) fail(class hush.Class) { n.failures[class].Add(1) }

// count counts one Get that was not a hit.
func (n *counts) count(s step, result *record) {
	switch {
	case result != nil && result.secret.Stale:
		n.stale.Add(1)
	case s.record != nil && result.err == nil:
		n.hit()
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
		Stale: n.stale.Load(), Misses: n.misses.Load(), Fetches: n.fetches.Load(),
		Failures: map[hush.Class]uint64{}, Abandoned: n.abandoned.Load(), Rotations: n.rotations.Load(),
		Evictions: n.evictions.Load(), CallbackPanics: n.callbackPanics.Load(),
	}
	if n.hits != nil {
		s.Hits = uint64(n.hits.Value())
	}
	for class := range n.failures {
		if count := n.failures[class].Load(); count > 0 {
			s.Failures[hush.Class(class)] = count
		}
	}
	for _, e := range c.table.entries() {
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
