package agent

import "sync/atomic"

// places counts the requests under way. One that finds no place takes none, so that
// those who are refused keep nobody out.
type places struct {
	limit int64 // negative: none
	taken atomic.Int64
}

// take takes a place, of which there are reserve more than the limit, and reports
// whether there was one.
func (p *places) take(reserve int) bool {
	for {
		taken := p.taken.Load()
		if p.limit >= 0 && taken >= p.limit+int64(reserve) {
			return false
		}
		if p.taken.CompareAndSwap(taken, taken+1) {
			return true
		}
	}
}

func (p *places) leave() { p.taken.Add(-1) }
