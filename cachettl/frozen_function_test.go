package cachettl_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

// TestFrozenFunction: a function whose store is healthy gets at most one stale result
// after an expiry, and with the defaults of config in Lambda it gets none.
func TestFrozenFunction(t *testing.T) {
	cells := 0
	for _, mode := range []string{"plain", "stale while revalidate", "refresh ahead", "extension", "config in Lambda"} {
		t.Run(mode, func(t *testing.T) {
			for s := range scenarios(mode) {
				cells++
				synctest.Test(t, func(t *testing.T) {
					most, stale := s.run(t)
					allowed := 1
					if mode == "config in Lambda" {
						allowed = 0
					}
					require.LessOrEqual(t, most, allowed, "%d stale results in all: %+v", stale, s)
				})
			}
		})
	}
	t.Logf("%d cells", cells)
}

func scenarios(mode string) func(yield func(scenario) bool) {
	return func(yield func(scenario) bool) {
		ms := time.Millisecond
		for _, gap := range []time.Duration{500 * ms, 1500 * ms, 6500 * ms, 10 * time.Minute} {
			for _, latency := range []time.Duration{10 * ms, 150 * ms, 450 * ms, deadline/2 - 10*ms} {
				for _, handler := range []time.Duration{ms, 300 * ms} {
					for _, ttl := range []time.Duration{time.Second, 20 * time.Second, 5 * time.Minute} {
						for bits := range 8 {
							s := scenario{mode, gap, latency, handler, ttl, bits&1 != 0, bits&2 != 0, bits&4 != 0}
							if !yield(s) {
								return
							}
						}
					}
				}
			}
		}
	}
}

// A busyServer reads a thousand times a second, each time in a goroutine of its own.
type busyServer struct {
	*function
	reads        sync.WaitGroup
	mu           sync.Mutex
	longest      time.Duration
	stale, count int
}

func (b *busyServer) read(t *testing.T) {
	b.reads.Go(func() {
		secret, took, err := b.get(t)
		assert.NoError(t, err)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.longest = max(b.longest, took)
		b.count++
		if secret.Stale {
			b.stale++
		}
	})
}

// readFor reads for d.
func (b *busyServer) readFor(t *testing.T, d time.Duration) {
	for start := time.Now(); time.Since(start) < d; time.Sleep(time.Millisecond) {
		b.read(t)
	}
}

// TestBusyServer: pauses of a process that runs are not interruptions, and no read
// waits for longer than StaleWait and the pause.
func TestBusyServer(t *testing.T) {
	ms := time.Millisecond
	for name, tc := range map[string]struct{ pause, every time.Duration }{
		"no pauses":                {0, time.Second},
		"pauses of 20 ms":          {20 * ms, 300 * ms},
		"pauses of 100 ms":         {100 * ms, 400 * ms},
		"pauses of 300 ms":         {300 * ms, 700 * ms},
		"a quota of 10 of 100 ms":  {90 * ms, 10 * ms},
		"a quota of 150 of 450 ms": {300 * ms, 150 * ms},
	} {
		for _, hangs := range []bool{false, true} {
			for _, mode := range []string{"plain", "stale while revalidate"} {
				t.Run(fmt.Sprintf("%s, hangs=%t, %s", name, hangs, mode), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := &busyServer{function: scenario{mode: mode, ttl: 2 * time.Second, latency: 3 * time.Second}.start()}
						defer func() { require.NoError(t, b.cache.Close()) }()
						_, _, err := b.get(t)
						if err != nil { // 3 s is more than the deadline
							time.Sleep(time.Second)
						}
						b.store.hangs.Store(hangs)
						for start := time.Now(); time.Since(start) < 12*time.Second; {
							b.readFor(t, tc.every)
							if tc.pause > 0 {
								b.process.stop(tc.pause, false)()
							}
						}
						b.reads.Wait()
						assert.LessOrEqual(t, b.longest, 100*ms+tc.pause)
						assert.Zero(t, b.cache.Stats().Abandoned, "a false interruption")
						assert.NotZero(t, b.stale)
						assert.Greater(t, b.count, 1000)
					})
				})
			}
		}
	}
}

// TestFrozenFunctionWithoutAStore: during an outage a frozen function returns its
// stale secret. If the store hangs, a Get waits in full at most once in 30 s.
func TestFrozenFunctionWithoutAStore(t *testing.T) {
	for _, mode := range []string{"plain", "stale while revalidate", "config in Lambda"} {
		for _, gap := range []time.Duration{time.Second, 3 * time.Second, 7 * time.Second} {
			for bits := range 8 {
				s := scenario{mode, gap, 150 * time.Millisecond, 20 * time.Millisecond, 2 * time.Second, bits&1 != 0, bits&2 != 0, false}
				hangs := bits&4 != 0
				synctest.Test(t, func(t *testing.T) {
					f := s.start()
					defer func() { require.NoError(t, f.cache.Close()) }()
					_, _, err := f.get(t)
					require.NoError(t, err)
					f.store.hangs.Store(hangs)
					if !hangs {
						f.store.fail(hush.ErrUnavailable)
					}
					f.outage(t, 3*time.Minute)
					f.store.hangs.Store(false)
					f.store.fail(0)
					back, versions := f.process.wall(), f.store.versions()
					for {
						secret, _, err := f.invoke(t, s.gap)
						require.NoError(t, err)
						if version, err := strconv.Atoi(secret.Version[1:]); err == nil && version > versions {
							break
						}
						require.Less(t, f.process.wall()-back, 30*time.Second+2*gap, "hangs=%t %+v", hangs, s)
					}
				})
			}
		}
	}
}

// outage invokes f for d while its store is away.
func (f *function) outage(t *testing.T, d time.Duration) {
	start, last, waits := f.process.wall(), -time.Hour, 0
	f.invoke(t, f.ttl)
	for f.process.wall()-start < d {
		began := f.process.wall() + f.gap
		secret, took, err := f.invoke(t, f.gap)
		require.NoError(t, err, "%+v", f.scenario)
		require.True(t, secret.Stale)
		if took > f.latency { // the time that a failure takes
			require.GreaterOrEqual(t, began-last, 30*time.Second, "two full waits of %v: %t %+v", took, f.store.hangs.Load(), f.scenario)
			last, waits = began, waits+1
		}
	}
	if f.store.hangs.Load() {
		require.Greater(t, waits, 1, "the store is tried again: %+v", f.scenario)
	}
}
