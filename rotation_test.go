package hush_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// A world is a database with one user, and the store of its password. A rotation
// changes the database first and the current version of the store later. Between the
// two, the new version has the stage AWSPENDING. A read takes 5 ms and returns what the
// store holds at its end.
type world struct {
	store   providertest.Map
	accepts atomic.Value // the password
	pending atomic.Pointer[hush.Secret]
	round   int
	wrong   atomic.Int32 // logins that failed
}

func newWorld() *world {
	w := &world{}
	w.accepts.Store("p0")
	w.store.Put(dbName, []byte("p0"))
	w.store.Always(providertest.Step{Delay: 5 * time.Millisecond})
	return w
}

func (w *world) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	pending := w.pending.Load()
	if ref.Stage != "AWSPENDING" || pending == nil {
		return w.store.Get(ctx, ref)
	}
	return *pending, nil
}

// rotate performs one rotation, with gap between its two changes.
func (w *world) rotate(gap time.Duration) {
	w.round++
	next := fmt.Sprint("p", w.round)
	w.pending.Store(&hush.Secret{Value: hush.NewValue([]byte(next)), Version: fmt.Sprint("v", w.round+1)})
	w.accepts.Store(next)
	time.Sleep(gap)
	w.store.Put(dbName, []byte(next))
	w.pending.Store(nil)
}

// query logs in as a program does. It asserts that fn gets no version twice.
func (w *world) query(ctx context.Context, t *testing.T, r hush.RetryPolicy, p hush.Provider) error {
	seen := map[string]bool{}
	return r.Use(ctx, p, hush.Name(dbName), func(s hush.Secret) error {
		if seen[s.Version] {
			t.Errorf("%s for the second time", s.Version)
		}
		seen[s.Version] = true
		if s.Value.Reveal() != w.accepts.Load() {
			w.wrong.Add(1)
			return hush.RejectedSQL(sqlError("28P01"))
		}
		return nil
	})
}

// A fakeExtension caches secrets for two seconds. Like a chain, it passes a fresh read on
// to the store.
type fakeExtension struct {
	store hush.Provider
	mu    sync.Mutex
	held  hush.Secret
	until time.Time
}

func (e *fakeExtension) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if _, fresh := ref.Freshness(); fresh || ref.Key().Stage != "" {
		return e.store.Get(ctx, ref)
	}
	e.mu.Lock()
	held, until := e.held, e.until
	e.mu.Unlock()
	if time.Now().Before(until) {
		return held, nil
	}
	secret, err := e.store.Get(ctx, ref)
	if err == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.held, e.until = secret, time.Now().Add(2*time.Second)
	}
	return secret, err
}

// stacks are the Providers between a program and the store.
var stacks = map[string]func(t *testing.T, store hush.Provider) hush.Provider{
	"store":           func(_ *testing.T, store hush.Provider) hush.Provider { return store },
	"cache":           cached,
	"extension":       func(_ *testing.T, store hush.Provider) hush.Provider { return &fakeExtension{store: store} },
	"cache,extension": func(t *testing.T, store hush.Provider) hush.Provider { return cached(t, &fakeExtension{store: store}) },
}

func cached(t *testing.T, p hush.Provider) hush.Provider {
	c := cachettl.New(p, time.Minute, nil)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestRotations queries every ten milliseconds during rotations of the password.
func TestRotations(t *testing.T) {
	for name, stack := range stacks {
		for _, gap := range []time.Duration{0, 500 * time.Millisecond, 2 * time.Second, 2900 * time.Millisecond} {
			t.Run(fmt.Sprint(name, "/", gap), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					p := stack(t, w)
					var queries sync.WaitGroup
					rotated := make(chan struct{})
					go func() {
						defer close(rotated)
						for range 2 {
							time.Sleep(300 * time.Millisecond)
							w.rotate(gap)
							// No query waits for this rotation when the next one starts.
							time.Sleep(3 * time.Second)
						}
					}()
					for over := false; !over; {
						select {
						case <-rotated:
							over = true
						case <-time.After(10 * time.Millisecond):
							queries.Go(func() { assert.NoError(t, w.query(t.Context(), t, hush.RetryPolicy{}, p)) })
						}
					}
					queries.Wait()
				})
			})
		}
	}
}

// TestRotationNearTheEndOfMaxWait has rotations that end just before MaxWait, during the
// last read, and just after it.
func TestRotationNearTheEndOfMaxWait(t *testing.T) {
	for name, stack := range stacks {
		for gap, succeeds := range map[time.Duration]bool{
			2999 * time.Millisecond: true, 3000 * time.Millisecond: true, 3004 * time.Millisecond: true, 3006 * time.Millisecond: false,
		} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				p := stack(t, w)
				require.NoError(t, w.query(t.Context(), t, hush.RetryPolicy{}, p), "which warms the caches")
				var done sync.WaitGroup
				begun := make(chan struct{})
				done.Go(func() {
					<-begun
					w.rotate(gap)
				})
				err := hush.Use(t.Context(), p, hush.Name(dbName), func(s hush.Secret) error {
					if s.Value.Reveal() == "p1" {
						return nil
					}
					close(begun)
					return hush.ErrRejected
				})
				assert.Equal(t, succeeds, err == nil, "%s, %v: %v", name, gap, err)
				done.Wait()
			})
		}
	}
}

// TestRotationNearTheDeadline checks that the last read takes place half a second before
// the deadline, so that fn can use the secret.
func TestRotationNearTheDeadline(t *testing.T) {
	for name, stack := range stacks {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			p := stack(t, w)
			ctx, cancel := context.WithTimeout(t.Context(), 2800*time.Millisecond)
			defer cancel()
			require.NoError(t, w.query(ctx, t, hush.RetryPolicy{}, p))
			go w.rotate(2250 * time.Millisecond)
			synctest.Wait()
			assert.NoError(t, w.query(ctx, t, hush.RetryPolicy{}, p), name)
			assert.NoError(t, ctx.Err())
		})
	}
}

// TestTwoRotationsInARow checks that each read is NewerThan the last secret. Otherwise a
// cache would return that secret until MaxWait has passed.
func TestTwoRotationsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		p := cached(t, w)
		require.NoError(t, w.query(t.Context(), t, hush.RetryPolicy{}, p))
		w.store.Put(dbName, []byte("p1"))
		w.accepts.Store("p2")
		time.AfterFunc(500*time.Millisecond, func() { w.store.Put(dbName, []byte("p2")) })
		start := time.Now()
		assert.NoError(t, w.query(t.Context(), t, hush.RetryPolicy{}, p))
		assert.Less(t, time.Since(start), 2*time.Second)
	})
}

// TestRandomRotations checks that no query fails for any gap within MaxWait, any load and
// any stack, and that fn gets no version twice.
func TestRandomRotations(t *testing.T) {
	for seed := range uint64(60) {
		for name, stack := range stacks {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
				w := newWorld()
				p := stack(t, w)
				r := hush.RetryPolicy{}
				if random.IntN(2) == 0 {
					r.Stages = []string{"AWSPENDING"}
				}
				var all sync.WaitGroup
				for range 20 {
					wait := upTo(8 * time.Second)
					all.Go(func() {
						time.Sleep(wait)
						assert.NoError(t, w.query(t.Context(), t, r, p), "%s, seed %d", name, seed)
					})
				}
				time.Sleep(upTo(2 * time.Second))
				w.rotate(upTo(3 * time.Second))
				all.Wait()
			})
		}
	}
}

// TestRotationWithManyCallers rejects a thousand callers at once. Behind a cache, the
// store receives about one read a second.
func TestRotationWithManyCallers(t *testing.T) {
	for _, rotates := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			p := cached(t, w)
			require.NoError(t, w.query(t.Context(), t, hush.RetryPolicy{}, p))
			w.accepts.Store("p1")
			if rotates {
				go w.rotate(2 * time.Second)
			}
			var failed atomic.Int32
			var herd sync.WaitGroup
			for range 1000 {
				herd.Go(func() {
					if err := w.query(t.Context(), t, hush.RetryPolicy{}, p); errors.Is(err, hush.ErrRejected) {
						failed.Add(1)
					}
				})
			}
			herd.Wait()
			t.Logf("rotates %v: %d calls of the store, %d failed logins", rotates, len(w.store.Calls()), w.wrong.Load())
			assert.LessOrEqual(t, len(w.store.Calls()), 8)
			assert.EqualValues(t, 1000, w.wrong.Load(), "one for each caller")
			assert.Equal(t, map[bool]int32{true: 0, false: 1000}[rotates], failed.Load())
		})
	}
}
