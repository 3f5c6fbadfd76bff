package cachettl_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/internal/clock"
)

// A process is a simulated process that can stand still. While it does, every
// goroutine that reads the clock or has a response waits for the thaw.
type process struct {
	mu      sync.Mutex
	stopped chan struct{} // closed at the thaw; nil while the process runs
	stops   int
	skipped time.Duration // on the wall clock, while the monotonic clock stood still
	base    time.Time
}

func newProcess() *process { return &process{base: time.Now()} }

// running waits until the process runs.
func (p *process) running() {
	p.mu.Lock()
	stopped := p.stopped
	p.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}

func (p *process) now() clock.Instant {
	p.running()
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.base)
	return clock.Instant{Wall: p.base.Add(elapsed + p.skipped).UnixNano(), Mono: int64(elapsed)}
}

// wall returns the time that has passed outside of the process.
func (p *process) wall() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.base) + p.skipped
}

func (p *process) stopCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stops
}

// stop stops the process for gap. With monoStops only the wall clock goes on. The
// returned function lets everything go on that waits for the thaw; until then only
// new goroutines run.
func (p *process) stop(gap time.Duration, monoStops bool) (thaw func()) {
	synctest.Wait()
	stopped := make(chan struct{})
	p.mu.Lock()
	p.stopped = stopped
	p.stops++
	if monoStops {
		p.skipped += gap
	}
	p.mu.Unlock()
	if !monoStops {
		time.Sleep(gap)
		synctest.Wait()
	}
	p.mu.Lock()
	p.stopped = nil
	p.mu.Unlock()
	return func() { close(stopped) }
}

// A scenario is a function that is invoked again and again, and stands still in
// between.
type scenario struct {
	mode                       string
	gap, latency, handler, ttl time.Duration
	monoStops, getFirst        bool
	resets                     bool
}

const deadline = 3 * time.Second // of an invocation

// A function is a scenario that runs.
type function struct {
	scenario
	process *process
	store   *remote
	cache   *cachettl.Cache
}

func (s scenario) start() *function {
	f := &function{scenario: s, process: newProcess()}
	f.store = &remote{process: f.process, latency: s.latency, resets: s.resets}
	opts := &cachettl.Options{StaleIfError: time.Hour, Jitter: -1}
	next := hush.Provider(f.store)
	switch s.mode {
	case "stale while revalidate":
		opts.StaleWhileRevalidate = time.Hour
	case "stale while revalidate alone":
		opts.StaleIfError, opts.StaleWhileRevalidate = 0, time.Hour
	case "refresh ahead":
		opts.RefreshAhead = s.ttl / 2
	case "extension":
		next = chain.New([]chain.Link{
			{Name: "extension", Provider: extensionOf(f.store, s.ttl), Front: true}, {Name: "direct", Provider: f.store},
		}, nil)
	case "config in Lambda":
		opts.StaleWait = 5 * time.Second
	}
	opts.SetClock(f.process.now)
	f.cache = cachettl.New(next, s.ttl, opts)
	return f
}

// get is the read of one invocation, and the rest of its work.
func (f *function) get(t *testing.T) (secret hush.Secret, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	start := time.Now()
	secret, err = f.cache.Get(ctx, db)
	return secret, time.Since(start), err
}

// invoke stops the process for gap and then invokes the function.
func (f *function) invoke(t *testing.T, gap time.Duration) (secret hush.Secret, took time.Duration, err error) {
	thaw, deliver := f.process.stop(gap, f.monoStops), f.store.arrive()
	events := func() {
		thaw()
		if f.monoStops {
			deliver()
		}
	}
	if f.getFirst {
		var call sync.WaitGroup
		call.Go(func() { secret, took, err = f.get(t) })
		synctest.Wait()
		events()
		call.Wait()
	} else {
		events()
		synctest.Wait()
		secret, took, err = f.get(t)
	}
	time.Sleep(f.handler)
	return secret, took, err
}

// run returns how often an expired version was returned stale at most, and how many
// stale results there were.
func (s scenario) run(t *testing.T) (most, stale int) {
	f := s.start()
	defer func() { require.NoError(t, f.cache.Close()) }()
	_, _, err := f.get(t)
	require.NoError(t, err)
	times := map[string]int{}
	for range 3 { // expiries
		for i := range 6 {
			gap := s.gap
			if i == 0 {
				gap = max(s.ttl-2*s.gap, s.gap) // most of the TTL
			}
			secret, _, err := f.invoke(t, gap)
			require.NoError(t, err)
			if secret.Stale {
				stale++
				times[secret.Version]++
				most = max(most, times[secret.Version])
			}
		}
	}
	return most, stale
}
