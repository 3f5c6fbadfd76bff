package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A load is workers that query until they are told to stop.
type load struct {
	db   *sql.DB
	quit chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	at      []arrival     // what each worker last connected with
	moved   chan struct{} // closed, and made anew, when one of them has connected
	sums    results
	stopped bool
}

// An arrival is a query that went well.
type arrival struct {
	begun   time.Time
	version int
}

// results are what the workers saw.
type results struct {
	queries int
	longest time.Duration // that a query took, its connection included
	faults  []string
}

func startLoad(t *testing.T, db *sql.DB) *load {
	t.Helper()
	l := &load{db: db, quit: make(chan struct{}), at: slices.Repeat([]arrival{{version: -1}}, workers), moved: make(chan struct{})}
	ctx := context.WithoutCancel(t.Context()) // stop lets the last queries end
	for i := range workers {
		l.done.Go(func() { l.work(ctx, i) })
	}
	t.Cleanup(l.stop)
	return l
}

// thinking is the time between two queries of a worker, so that what is measured
// is not how the machine does when it is drowned.
const thinking = 100 * time.Millisecond

func (l *load) work(ctx context.Context, i int) {
	tick := time.NewTicker(thinking)
	defer tick.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-tick.C:
		}
		begun := time.Now()
		n, err := l.query(ctx)
		l.note(i, arrival{begun, n}, err)
	}
}

// query returns the version whose password opened the connection that it ran on:
// the connector made it the connection's name.
func (l *load) query(ctx context.Context) (n int, err error) {
	var version string
	if err := l.db.QueryRowContext(ctx, "SELECT current_setting('application_name')").Scan(&version); err != nil {
		return 0, err
	}
	return ordinal(version)
}

func (l *load) note(i int, a arrival, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	took, last := time.Since(a.begun), l.at[i].version
	l.sums.queries++
	l.sums.longest = max(l.sums.longest, took)
	switch {
	case err != nil:
		l.sums.faults = append(l.sums.faults, fmt.Sprintf("worker %d, at version %d, after %v: %v", i, last, took, err))
	case a.version < last:
		l.sums.faults = append(l.sums.faults, fmt.Sprintf("worker %d went back from version %d to %d", i, last, a.version))
	default:
		l.at[i] = a
		close(l.moved)
		l.moved = make(chan struct{})
	}
}

// await returns when every worker has connected with version n, by a query that
// began after since.
func (l *load) await(t *testing.T, n int, since time.Time) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		moved, all := l.reached(n, since)
		if all {
			return
		}
		select {
		case <-moved:
		case <-late:
			require.Fail(t, "not every worker moved on", "to version %d: %+v", n, l.results())
		}
	}
}

func (l *load) reached(n int, since time.Time) (moved <-chan struct{}, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	here := func(a arrival) bool { return a.version >= n && a.begun.After(since) }
	return l.moved, !slices.ContainsFunc(l.at, func(a arrival) bool { return !here(a) })
}

// stop lets the queries that run come to their end.
func (l *load) stop() {
	l.mu.Lock()
	if !l.stopped {
		l.stopped = true
		close(l.quit)
	}
	l.mu.Unlock()
	l.done.Wait()
}

func (l *load) results() results {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sums
}
