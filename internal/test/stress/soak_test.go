package stress_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/internal/test/faultproxy"
)

const (
	soakRate    = 2000 // reads a second
	soakReaders = 8
	soakKeys    = 50

	// The interval of the samples; a short run takes a dozen.
	sampleEvery = 10 * time.Second
	minSamples  = 12

	// The limits for the growth from the first half of a run to the second: a tenth of
	// the heap and 4 MB, for bodies in flight; half as many goroutines and files and 20,
	// for idle connections.
	heapMargin  = 4 << 20
	countMargin = 20

	// The limit for a run that is too short to compare its halves. A leak in each call
	// would exceed it.
	shortRun  = time.Minute
	shortHeap = 64 << 20
	shortMost = 300
)

// TestSoak reads over real sockets while the store and the network to the extension fail and
// recover. It checks that memory, goroutines and open files do not grow. HUSH_SOAK is the
// time; make soak sets ten minutes.
func TestSoak(t *testing.T) {
	d := duration(t, "HUSH_SOAK", 2*time.Second)
	b := newSystem(t)
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	var group sync.WaitGroup
	for range soakReaders {
		group.Go(func() { every(ctx, soakReaders*time.Second/soakRate, b.read) })
	}
	var taken []sample
	interval := min(sampleEvery, d/minSamples)
	group.Go(func() { every(ctx, interval/10, b.rotate) })
	faulty := false
	every(ctx, interval/2, func() {
		if faulty {
			b.endFaults() // the second half of the interval has no fault
		} else {
			taken = append(taken, takeSample())
			b.disturb()
		}
		faulty = !faulty
	})
	group.Wait()
	report(t, taken)
	stats := b.cache.Stats()
	t.Logf("%d reads in %v: %d hits, %d stale, %d failed; %d fetches, %d calls of the store, %d requests met a fault",
		b.reads.Load(), d, stats.Hits, stats.Stale, b.failed.Load(), stats.Fetches, b.server.Calls(directtest.Call{}), b.proxy.Counts().Failed)
	assertNoGrowth(t, d, taken)
	b.waitForRecovery(t)
}

// A system is a cache, a chain, the extension's client, a proxy with faults, the agent with
// its own cache, and a Secrets Manager.
type system struct {
	server *directtest.Server
	proxy  *faultproxy.Proxy
	cache  *cachettl.Cache

	restore func() // ends the fault of the server

	reads, failed, rotations atomic.Uint64
}

func newSystem(t *testing.T) *system {
	t.Helper()
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	b := &system{server: server, restore: func() {}}
	for i := range soakKeys {
		server.Put(soakKey(i), []byte(`{"user":"app","password":"of version 0"}`))
	}
	store := direct.New(server.Client(func(o *secretsmanager.Options) { o.RetryMaxAttempts = 1 }), &direct.Options{Timeout: 250 * time.Millisecond})
	b.proxy = serve(t, store)
	b.cache = cachettl.New(chain.New([]chain.Link{
		{Name: "extension", Provider: extension.New(&extension.Options{
			Endpoint: b.proxy.URL(), Dialect: extension.DialectAgent, Timeout: 250 * time.Millisecond,
			Token: func(context.Context) (string, error) { return "a token", nil },
		}), Front: true},
		{Name: "direct", Provider: store},
	}, &chain.Options{Breaker: chain.Breaker{MaxWait: 2 * time.Second}}), time.Second, &cachettl.Options{
		StaleIfError: time.Minute, RefreshAhead: 100 * time.Millisecond, MaxEntries: soakKeys - 5, CountHits: true,
	})
	t.Cleanup(func() { assert.NoError(t, b.cache.Close()) })
	return b
}

// serve serves store by the agent, and returns a proxy in front of it.
func serve(t *testing.T, store hush.Provider) *faultproxy.Proxy {
	t.Helper()
	cache := cachettl.New(store, time.Second, nil)
	t.Cleanup(func() { assert.NoError(t, cache.Close()) })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- agent.Serve(ctx, listener, agent.Handler(cache, "a token", nil)) }()
	proxy, err := faultproxy.New(listener.Addr().String(), &faultproxy.Options{DripEvery: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() {
		proxy.Close()
		stop()
		assert.NoError(t, <-served)
	})
	return proxy
}

func soakKey(i int) string { return fmt.Sprint("prod/key-", i) }

// read makes one read. Some are fresh, some have a short deadline, and some call Forget.
func (b *system) read() {
	ref := hush.Ref{Name: soakKey(rand.N(soakKeys)), Field: "password"}
	ctx := context.Background()
	switch rand.N(100) {
	case 0, 1:
		ref = ref.Fresh()
	case 2:
		b.cache.Forget(ref)
	case 3, 4:
		limited, cancel := context.WithTimeout(ctx, rand.N(5*time.Millisecond))
		defer cancel()
		ctx = limited
	}
	b.reads.Add(1)
	if _, err := b.cache.Get(ctx, ref); err != nil {
		b.failed.Add(1)
	}
}

// disturb sets a fault of the server, of the network to the extension, or of both.
func (b *system) disturb() {
	switch rand.N(5) {
	case 0:
		b.restore = b.server.Fail(directtest.Failure{Code: "ThrottlingException"})
	case 1:
		b.restore = b.server.Fail(directtest.Failure{Status: 503})
	case 2:
		b.restore = b.server.Hang()
	case 3:
		b.restore = b.server.Break()
	}
	if rand.N(2) == 0 {
		faults := faultproxy.Faults()
		b.proxy.Set(faults[rand.N(len(faults))])
	}
}

func (b *system) endFaults() {
	b.restore()
	b.restore = func() {}
	b.proxy.Set(faultproxy.None)
}

func (b *system) rotate() {
	n := b.rotations.Add(1)
	b.server.Rotate(soakKey(rand.N(soakKeys)), fmt.Appendf(nil, `{"user":"app","password":"of version %d"}`, n))()
}

// waitForRecovery ends the fault and waits until each secret can be read.
func (b *system) waitForRecovery(t *testing.T) {
	t.Helper()
	b.endFaults()
	for i := range soakKeys {
		assert.Eventually(t, func() bool {
			_, err := b.cache.Get(t.Context(), hush.Name(soakKey(i)).Fresh())
			return err == nil
		}, busy, 10*time.Millisecond, "%s cannot be read after the fault", soakKey(i))
	}
}

// A sample is what the process uses.
type sample struct {
	heap              uint64 // bytes in use after a garbage collection
	goroutines, files int
}

func takeSample() sample {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // none if the system has no such directory
	return sample{heap: m.HeapAlloc, goroutines: runtime.NumGoroutine(), files: len(files)}
}

func report(t *testing.T, taken []sample) {
	t.Helper()
	out := t.Output()
	fmt.Fprintf(out, "%6s %10s %10s %6s\n", "sample", "heap", "goroutines", "files")
	for i, s := range taken {
		fmt.Fprintf(out, "%6d %7.2f MB %10d %6d\n", i+1, float64(s.heap)/1e6, s.goroutines, s.files)
	}
}

// most returns the maximum of each figure.
func most(taken []sample) (m sample) {
	for _, s := range taken {
		m.heap, m.goroutines, m.files = max(m.heap, s.heap), max(m.goroutines, s.goroutines), max(m.files, s.files)
	}
	return m
}

// assertNoGrowth compares the second half of a run with the first half, without its first
// third, which warms up. It compares a short run with fixed limits.
func assertNoGrowth(t *testing.T, d time.Duration, taken []sample) {
	t.Helper()
	if d < shortRun {
		all := most(taken)
		assert.LessOrEqual(t, all.heap, uint64(shortHeap), "heap")
		assert.LessOrEqual(t, all.goroutines, shortMost, "goroutines")
		assert.LessOrEqual(t, all.files, shortMost, "open files")
		return
	}
	require.GreaterOrEqual(t, len(taken), 6, "too few samples")
	half := len(taken) / 2
	first, second := most(taken[half/3:half]), most(taken[half:])
	t.Logf("at most, first half and second: heap %.2f and %.2f MB, goroutines %d and %d, files %d and %d",
		float64(first.heap)/1e6, float64(second.heap)/1e6, first.goroutines, second.goroutines, first.files, second.files)
	assert.LessOrEqual(t, second.heap, first.heap+first.heap/10+heapMargin, "the heap grows")
	assert.LessOrEqual(t, second.goroutines, first.goroutines+first.goroutines/2+countMargin, "goroutines grow in number")
	assert.LessOrEqual(t, second.files, first.files+first.files/2+countMargin, "open files grow in number")
}
