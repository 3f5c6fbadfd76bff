package agent

import "sync/atomic"

// A limiter bounds the requests in flight. A refused request takes no place, so that
// refusals do not keep out other requests.
type limiter struct {
	limit    int64 // negative: no limit
	inFlight atomic.Int64
}

// acquire takes a place and reports whether one was free.
func (l *limiter) acquire() bool {
	for {
		inFlight := l.inFlight.Load()
		if l.limit >= 0 && inFlight >= l.limit {
			return false
		}
		if l.inFlight.CompareAndSwap(inFlight, inFlight+1) {
			return true
		}
	}
}

func (l *limiter) release() { l.inFlight.Add(-1) }

// full reports whether acquire would fail.
func (l *limiter) full() bool { return l.limit >= 0 && l.inFlight.Load() >= l.limit }
