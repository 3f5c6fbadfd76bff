// Package fan makes several calls at once, and no more than that.
package fan

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls do for 0 to n-1, most of them at a time, and returns when all have
// returned. A panic of do is the caller's, with the same value, and so is a
// Goexit: what has not begun by then is left out, unless all may run at once, as
// calls that wait for each other must.
func Each(n, most int, do func(i int)) {
	if n == 1 {
		do(0) // a panic keeps its stack
		return
	}
	f := fan{n: int64(n), do: do}
	var workers sync.WaitGroup
	for range min(n, most) {
		workers.Go(f.work)
	}
	workers.Wait()
	switch {
	case f.panicked != nil:
		panic(f.panicked)
	case f.ended.Load():
		runtime.Goexit()
	}
}

type fan struct {
	n    int64
	do   func(int)
	next atomic.Int64

	once     sync.Once
	panicked any         // what the first panic said
	ended    atomic.Bool // by a panic or by Goexit
}

func (f *fan) work() {
	done := false
	defer func() {
		if done {
			return
		}
		if v := recover(); v != nil {
			f.once.Do(func() { f.panicked = v })
		}
		f.ended.Store(true)
	}()
	for first := true; first || !f.ended.Load(); first = false {
		i := f.next.Add(1) - 1
		if i >= f.n {
			break
		}
		f.do(int(i))
	}
	done = true
}
