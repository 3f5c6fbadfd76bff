// Package parallel makes a bounded number of calls at a time.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls do for 0 to n-1, at most limit at a time, and returns when all calls
// have returned. If a call panics, Each panics with the same value; if a call runs
// runtime.Goexit, so does Each. Calls that have not started by then are skipped,
// unless limit is at least n: calls that wait for each other must all start.
func Each(n, limit int, do func(i int)) {
	if n == 1 {
		do(0) // without a goroutine, a panic keeps its stack
		return
	}
	g := group{n: int64(n), do: do}
	var workers sync.WaitGroup
	for range min(n, limit) {
		workers.Go(g.work)
	}
	workers.Wait()
	switch {
	case g.panicValue != nil:
		panic(g.panicValue)
	case g.stopped.Load():
		runtime.Goexit()
	}
}

type group struct {
	n    int64
	do   func(int)
	next atomic.Int64

	once       sync.Once
	panicValue any         // of the first panic
	stopped    atomic.Bool // by a panic or by Goexit
}

func (g *group) work() {
	done := false
	defer func() {
		if done {
			return
		}
		if v := recover(); v != nil {
			g.once.Do(func() { g.panicValue = v })
		}
		g.stopped.Store(true)
	}()
	for first := true; first || !g.stopped.Load(); first = false {
		i := g.next.Add(1) - 1
		if i >= g.n {
			break
		}
		g.do(int(i))
	}
	done = true
}
