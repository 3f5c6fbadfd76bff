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

// A load is a group of workers that run queries until stop.
type load struct {
	db      *sql.DB
	quit    chan struct{}
	workers sync.WaitGroup

	mu      sync.Mutex
	last    []query       // the last successful query of each worker
	changed chan struct{} // closed and replaced after a successful query
	totals  results
	stopped bool
}

// A query is a successful query.
type query struct {
	start   time.Time
	version int // of the password that opened the connection
}

// results are the totals of all workers.
type results struct {
	queries int
	longest time.Duration // of a query with its connection
	errors  []string
}

func startLoad(t *testing.T, db *sql.DB) *load {
	t.Helper()
	l := &load{db: db, quit: make(chan struct{}), last: slices.Repeat([]query{{version: -1}}, workers), changed: make(chan struct{})}
	ctx := context.WithoutCancel(t.Context()) // stop waits for the last queries
	for i := range workers {
		l.workers.Go(func() { l.work(ctx, i) })
	}
	t.Cleanup(l.stop)
	return l
}

// queryInterval is the time between two queries of a worker. Without it, the test would
// measure an overloaded machine.
const queryInterval = 100 * time.Millisecond

func (l *load) work(ctx context.Context, i int) {
	tick := time.NewTicker(queryInterval)
	defer tick.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-tick.C:
		}
		start := time.Now()
		version, err := l.query(ctx)
		l.record(i, query{start, version}, err)
	}
}

// query runs a query and returns the version of the password that opened the connection.
// The connector sets the version as the name of the connection.
func (l *load) query(ctx context.Context) (number int, err error) {
	var version string
	if err := l.db.QueryRowContext(ctx, "SELECT current_setting('application_name')").Scan(&version); err != nil {
		return 0, err
	}
	return versionNumber(version)
}

func (l *load) record(i int, q query, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	took, last := time.Since(q.start), l.last[i].version
	l.totals.queries++
	l.totals.longest = max(l.totals.longest, took)
	switch {
	case err != nil:
		l.totals.errors = append(l.totals.errors, fmt.Sprintf("worker %d, at version %d, after %v: %v", i, last, took, err))
	case q.version < last:
		l.totals.errors = append(l.totals.errors, fmt.Sprintf("worker %d: version %d after version %d", i, q.version, last))
	default:
		l.last[i] = q
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// awaitVersion waits until every worker has connected with version n, in a query that
// started after since.
func (l *load) awaitVersion(t *testing.T, n int, since time.Time) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		changed, all := l.reached(n, since)
		if all {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			require.Fail(t, "timeout", "not every worker has version %d: %+v", n, l.results())
		}
	}
}

func (l *load) reached(n int, since time.Time) (changed <-chan struct{}, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := func(q query) bool { return q.version < n || !q.start.After(since) }
	return l.changed, !slices.ContainsFunc(l.last, missing)
}

// stop stops the workers after their current queries.
func (l *load) stop() {
	l.mu.Lock()
	if !l.stopped {
		l.stopped = true
		close(l.quit)
	}
	l.mu.Unlock()
	l.workers.Wait()
}

func (l *load) results() results {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.totals
}
