package faultproxy_test

import (
	"bytes"
	"context"
	"errors"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/internal/test/faultproxy"
)

// The times are for a machine that is not busy; on one that is, a cell takes them
// longer.
const (
	deadline = 150 * time.Millisecond // of a caller that has one
	limit    = 400 * time.Millisecond // of a provider, for one that has none
	ttl      = 200 * time.Millisecond // of a cache
	margin   = 20 * time.Second       // what nothing may take longer than

	atOnce = 24 // cells that run at the same time: most of each is waiting
)

// What becomes of a call while its fault lasts: nothing, until a time limit ends it;
// or an answer, after all. Every other fault ends it by itself.
var (
	hangs = map[faultproxy.Fault]bool{
		faultproxy.HangBeforeRequest: true, faultproxy.HangAfterRequest: true, faultproxy.Drip: true,
		faultproxy.EndlessChunks: true, faultproxy.LongLength: true,
	}
	survived = map[faultproxy.Fault]bool{faultproxy.DeadKept: true}
)

// A shape is what stands between a program and the provider.
type shape struct {
	name           string
	chained, holds bool // there is a chain; there is a cache
}

var shapes = []shape{
	{name: "bare"},
	{name: "chain", chained: true},
	{name: "cachettl", holds: true},
	{name: "chain and cachettl", chained: true, holds: true},
}

// TestMatrix puts every fault between every provider and its store, in every
// shape: a call ends in time and with the right class, quotes nothing, leaves
// nothing behind, and works again once the fault is gone.
func TestMatrix(t *testing.T) {
	configureAWS(t)
	logged := captureLog(t)
	files, known := openFiles(), goleak.IgnoreCurrent()
	var cells atomic.Int64
	t.Run("cells", func(t *testing.T) {
		var group errgroup.Group
		group.SetLimit(atOnce)
		for _, b := range backends {
			target := b.start(t)
			for _, s := range shapes {
				for _, f := range faultproxy.Faults() {
					group.Go(func() error {
						t.Run(b.name+"/"+s.name+"/"+f.String(), func(t *testing.T) {
							(&cell{T: t, backend: b, shape: s, fault: f}).run(target)
							cells.Add(1)
						})
						return nil
					})
				}
			}
		}
		require.NoError(t, group.Wait())
	})
	faults := len(faultproxy.Faults())
	t.Logf("%d cells: %d faults, %d providers, %d shapes", cells.Load(), faults, len(backends), len(shapes))
	assert.EqualValues(t, faults*len(backends)*len(shapes), cells.Load())
	goleak.VerifyNone(t, known)
	assert.Eventually(t, func() bool { return openFiles() <= files }, margin, 10*time.Millisecond,
		"%d files before, %d after", files, openFiles())
	for _, text := range hidden {
		assert.NotContains(t, logged(), text, "the standard logger")
	}
}

// A cell is one fault, met by one provider in one shape.
type cell struct {
	*testing.T
	backend
	shape
	fault           faultproxy.Fault
	deadline, limit time.Duration
	proxy           *faultproxy.Proxy
	asked           hush.Provider
	cache           *cachettl.Cache // nil without one

	mu    sync.Mutex
	calls []chain.Call
}

// open puts the cell together with times that are scaled. What it had before is
// closed first.
func (c *cell) open(target string, scale time.Duration) {
	c.close()
	c.proxy, c.calls = start(c.T, target), nil
	c.deadline, c.limit = deadline*scale, limit*scale
	if survived[c.fault] {
		c.deadline, c.limit = margin, margin
	}
	c.asked = c.backend.open(c.proxy.URL(), c.limit)
	if c.chained {
		links := []chain.Link{{Name: "network", Provider: c.asked}, {Name: "static", Provider: hush.Static(map[string]string{held: value})}}
		c.asked = chain.New(links, &chain.Options{OnCall: c.note})
	}
	if c.holds {
		c.cache = cachettl.New(c.asked, ttl*scale, &cachettl.Options{StaleIfError: time.Hour})
		c.asked = c.cache
	}
}

func (c *cell) close() {
	if c.cache != nil {
		assert.NoError(c, c.cache.Close())
	}
	if c.proxy != nil {
		c.proxy.Close()
	}
}

// isWell reports whether all is well without a fault: the store's own answer comes
// in time, and a cache keeps it.
func (c *cell) isWell() bool {
	secret, err := c.get(0, held)
	return err == nil && isOwn(secret) && (c.cache == nil || c.cache.Stats().Entries > 0)
}

func (c *cell) note(_ context.Context, call chain.Call) {
	if call.Unresolved {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

func (c *cell) run(target string) {
	defer c.close()
	scale := time.Duration(1)
	for c.open(target, scale); !c.isWell(); c.open(target, scale) {
		scale *= 2
		require.Less(c, scale, time.Duration(64), "not well even before the fault")
	}

	c.proxy.Set(c.fault)
	for _, within := range []time.Duration{c.deadline, 0} {
		secret, err := c.get(within, other)
		switch {
		case survived[c.fault]:
			assert.NoError(c, err)
		case assert.Error(c, err, "taken in, by %d bytes of %s", secret.Value.Len(), secret.Source):
			c.checkClass(within > 0, err)
		}
	}
	switch {
	case survived[c.fault]:
		c.becomes("well with the fault", held, isOwn)
	case c.holds:
		c.becomes("stale", held, func(s hush.Secret) bool { return s.Stale })
	case c.chained:
		c.becomes("the fallback's", held, func(s hush.Secret) bool { return s.FromFallback })
	}
	c.checkCalls()
	if c.fault != faultproxy.HangBeforeRequest { // where the proxy does not see it
		c.letsGo()
	}

	c.proxy.Set(faultproxy.None)
	c.becomes("well after the fault", other, isOwn)
}

func isOwn(s hush.Secret) bool { return !s.Stale && !s.FromFallback }

// becomes asks for name until the answer is as it should be, for a machine may be
// too busy to answer within the limit, a cached secret still good, and a breaker
// open.
func (c *cell) becomes(what, name string, is func(hush.Secret) bool) {
	c.Helper()
	for over := time.After(margin); ; {
		secret, err := c.get(0, name)
		if err == nil && is(secret) {
			assert.Equal(c, value, secret.Value.Reveal())
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-over:
			require.FailNow(c, "it never became "+what, "%v", err)
		}
	}
}

// get asks within a limit of the caller's, or within none, and checks that it is
// kept.
func (c *cell) get(within time.Duration, name string) (hush.Secret, error) {
	c.Helper()
	ctx, cancel, until := c.Context(), context.CancelFunc(func() {}), c.limit
	if within > 0 {
		until = within
		ctx, cancel = context.WithTimeout(ctx, within)
	}
	defer cancel()
	start := time.Now()
	secret, err := c.asked.Get(ctx, hush.Name(name))
	assert.Less(c, time.Since(start), until+margin, "the call outlived its limit")
	clean(c.T, err)
	c.checkContext(ctx, err)
	return secret, err
}

// checkContext: an error is about the caller's context if that is done and the
// call had no answer, and never else.
func (c *cell) checkContext(ctx context.Context, err error) {
	c.Helper()
	if hush.ClassOf(err) == hush.ErrCanceled {
		require.Error(c, ctx.Err(), "canceled for a caller who waits: %v", err)
		assert.ErrorIs(c, err, ctx.Err())
	}
	if ctx.Err() == nil {
		assert.NotErrorIs(c, err, context.DeadlineExceeded)
		assert.NotErrorIs(c, err, context.Canceled)
	}
}

// checkClass: whatever goes wrong on the way, no store has answered. Where nothing
// else ends the call, the caller's deadline does; a chain's links have shares of it.
func (c *cell) checkClass(hasDeadline bool, err error) {
	c.Helper()
	if hasDeadline && hangs[c.fault] && (c.holds || !c.chained) {
		assert.Equal(c, hush.ErrCanceled, hush.ClassOf(err), "%v", err)
		return
	}
	c.isOutage(err)
}

func (c *cell) isOutage(err error) {
	c.Helper()
	if hush.ClassOf(err) != hush.ErrCanceled { // which checkContext knows about
		assert.ErrorIs(c, hush.ClassOf(err), hush.ErrUnavailable, "%v", err)
	}
}

// checkCalls looks at what a chain's link said, which its answer hides.
func (c *cell) checkCalls() {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		clean(c.T, call.Err)
		if call.Provider == "network" && call.Err != nil {
			c.isOutage(call.Err)
		}
	}
}

// letsGo waits until the client has closed the connections that it gave up.
func (c *cell) letsGo() {
	c.Helper()
	// On a busy machine a dial may outlive its call, and its connection is kept.
	const most = 4
	assert.Eventually(c, func() bool { return c.proxy.Counts().Open <= most }, margin, 5*time.Millisecond,
		"%d connections are open", c.proxy.Counts().Open)
}

// openFiles returns how many files this process has open, where the system says.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	return len(entries)
}

// captureLog keeps what goes to the standard logger, as net/http's does.
func captureLog(t *testing.T) (text func() string) {
	t.Helper()
	var mu sync.Mutex
	var b bytes.Buffer
	log.SetOutput(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}))
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
