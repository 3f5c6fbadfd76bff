package cachettl

import (
	"maps"

	"github.com/hush-secrets/hush"
)

// Stats are the counters of a Cache since New. A Get is counted once, before it
// returns: as a hit, as stale or as a miss. Hits are counted only with
// Options.CountHits. A Get with an invalid Ref, and one whose context had ended
// before, are not counted.
type Stats struct {
	Hits      uint64                // Gets served from memory within the TTL; 0 without Options.CountHits
	Stale     uint64                // Gets served from memory past the TTL
	Misses    uint64                // Gets that waited for a fetch, or failed
	Fetches   uint64                // calls of the next provider, without confirmations
	Failures  map[hush.Class]uint64 // failed fetches, by class
	Abandoned uint64                // fetches without a result, because the process stood still
	Rotations uint64                // changes of a secret's version
	Evictions uint64                // secrets evicted to make room
	Entries   int                   // secrets in memory, and cached ErrNotFound

	CallbackPanics uint64 // panics of OnRotate and OnStale
}

// Stats returns the counters. It takes the lock that a miss takes.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Stale, s.Misses = c.staleGets.Load(), c.misses.Load()
	s.Failures = maps.Clone(s.Failures)
	if c.hits != nil {
		s.Hits = uint64(c.hits.Value())
	}
	for _, e := range c.table.entries() {
		if e.record.Load() != nil {
			s.Entries++
		}
	}
	return s
}

func (c *Cache) countHit() {
	if c.hits != nil {
		c.hits.Inc()
	}
}

// count counts a Get that was not a hit without the lock. It returns r, or an error
// if r is nil. waited is whether the Get waited for a fetch.
func (c *Cache) count(r *record, waited bool) {
	switch {
	case r != nil && r.secret.Stale:
		c.staleGets.Add(1)
	case waited || r.err != nil:
		c.misses.Add(1)
	default:
		c.countHit()
	}
}
