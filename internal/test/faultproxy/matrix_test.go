package faultproxy_test

import (
	"context"
	"errors"
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

// The times suit an idle machine. On a busy machine, a cell multiplies them.
const (
	deadline = 150 * time.Millisecond // of a caller with a deadline
	limit    = 400 * time.Millisecond // of a provider, for a caller without a deadline
	ttl      = 200 * time.Millisecond // of the cache
	margin   = 20 * time.Second       // the limit for everything

	atOnce = 24 // cells at the same time, because a cell mostly waits
)

// During some faults, a call ends by a time limit. During others, it gets a response after
// all. Each other fault ends the call by itself.
var (
	hangs = map[faultproxy.Fault]bool{
		faultproxy.HangBeforeRequest: true, faultproxy.HangAfterRequest: true, faultproxy.Drip: true,
		faultproxy.EndlessChunks: true, faultproxy.LongLength: true,
	}
	survived = map[faultproxy.Fault]bool{faultproxy.DeadKept: true}
)

// A shape says what is between a program and the provider.
type shape struct {
	name            string
	chained, cached bool
}

var shapes = []shape{
	{name: "bare"},
	{name: "chain", chained: true},
	{name: "cachettl", cached: true},
	{name: "chain and cachettl", chained: true, cached: true},
}

// TestProvidersSurviveEveryFault puts each fault between each provider and its store, in each
// shape. A call ends in time and with the right class. Its error contains no secret. It leaves
// no goroutine or file behind, and succeeds again after the fault.
func TestProvidersSurviveEveryFault(t *testing.T) {
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

// A cell is a fault that a provider meets in a shape.
type cell struct {
	*testing.T
	backend
	shape
	fault           faultproxy.Fault
	deadline, limit time.Duration
	proxy           *faultproxy.Proxy
	provider        hush.Provider
	cache           *cachettl.Cache // nil if there is none

	mu    sync.Mutex
	calls []chain.Call
}

// open creates the providers of the cell with scaled times. It closes those before.
func (c *cell) open(target string, scale time.Duration) {
	c.close()
	c.proxy, c.calls = start(c.T, target), nil
	c.deadline, c.limit = deadline*scale, limit*scale
	if survived[c.fault] {
		c.deadline, c.limit = margin, margin
	}
	c.provider = c.backend.open(c.proxy.URL(), c.limit)
	if c.chained {
		links := []chain.Link{{Name: "network", Provider: c.provider}, {Name: "static", Provider: hush.Static(map[string]string{shared: value})}}
		c.provider = chain.New(links, &chain.Options{OnCall: c.note})
	}
	if c.cached {
		c.cache = cachettl.New(c.provider, ttl*scale, &cachettl.Options{StaleIfError: time.Hour})
		c.provider = c.cache
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

// works reports whether the store returns the secret in time without a fault, and whether
// the cache keeps it.
func (c *cell) works() bool {
	secret, err := c.get(0, shared)
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
	for c.open(target, scale); !c.works(); c.open(target, scale) {
		scale *= 2
		require.Less(c, scale, time.Duration(64), "it fails without a fault")
	}

	c.proxy.Set(c.fault)
	for _, within := range []time.Duration{c.deadline, 0} {
		secret, err := c.get(within, other)
		switch {
		case survived[c.fault]:
			assert.NoError(c, err)
		case assert.Error(c, err, "accepted %d bytes of %s", secret.Value.Len(), secret.Source):
			c.checkClass(within > 0, err)
		}
	}
	switch {
	case survived[c.fault]:
		c.waitFor("a secret during the fault", shared, isOwn)
	case c.cached:
		c.waitFor("stale", shared, func(s hush.Secret) bool { return s.Stale })
	case c.chained:
		c.waitFor("the secret of the fallback", shared, func(s hush.Secret) bool { return s.FromFallback })
	}
	c.checkCalls()
	if c.fault != faultproxy.HangBeforeRequest { // the proxy does not notice it
		c.waitForClose()
	}

	c.proxy.Set(faultproxy.None)
	c.waitFor("a secret after the fault", other, isOwn)
}

func isOwn(s hush.Secret) bool { return !s.Stale && !s.FromFallback }

// waitFor reads name until accepted returns true for the secret. The machine may be too busy
// for the limit, a secret may still be cached, and a breaker may be open.
func (c *cell) waitFor(what, name string, accepted func(hush.Secret) bool) {
	c.Helper()
	for over := time.After(margin); ; {
		secret, err := c.get(0, name)
		if err == nil && accepted(secret) {
			assert.Equal(c, value, secret.Value.Reveal())
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-over:
			require.FailNow(c, "it never returned "+what, "%v", err)
		}
	}
}

// get reads name with a deadline, or without one, and checks that the call ends in time.
func (c *cell) get(within time.Duration, name string) (hush.Secret, error) {
	c.Helper()
	ctx, cancel, until := c.Context(), context.CancelFunc(func() {}), c.limit
	if within > 0 {
		until = within
		ctx, cancel = context.WithTimeout(ctx, within)
	}
	defer cancel()
	start := time.Now()
	secret, err := c.provider.Get(ctx, hush.Name(name))
	assert.Less(c, time.Since(start), until+margin, "the call exceeded its limit")
	assertClean(c.T, err)
	c.checkContext(ctx, err)
	return secret, err
}

// checkContext checks that an error is about the caller's context only if this context is
// done and the call has no response.
func (c *cell) checkContext(ctx context.Context, err error) {
	c.Helper()
	if hush.ClassOf(err) == hush.ErrCanceled {
		require.Error(c, ctx.Err(), "canceled, although the caller waits: %v", err)
		assert.ErrorIs(c, err, ctx.Err())
	}
	if ctx.Err() == nil {
		assert.NotErrorIs(c, err, context.DeadlineExceeded)
		assert.NotErrorIs(c, err, context.Canceled)
	}
}

// checkClass checks the class of an error: an outage, because no store has responded. If the
// caller's deadline ended the call, the class may be ErrCanceled.
func (c *cell) checkClass(hasDeadline bool, err error) {
	c.Helper()
	if hasDeadline && hangs[c.fault] && (c.cached || !c.chained) {
		assert.Equal(c, hush.ErrCanceled, hush.ClassOf(err), "%v", err)
		return
	}
	c.assertOutage(err)
}

func (c *cell) assertOutage(err error) {
	c.Helper()
	if hush.ClassOf(err) != hush.ErrCanceled { // checkContext checks it
		assert.ErrorIs(c, hush.ClassOf(err), hush.ErrUnavailable, "%v", err)
	}
}

// checkCalls checks the calls of the links, which the result of the chain hides.
func (c *cell) checkCalls() {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		assertClean(c.T, call.Err)
		if call.Provider == "network" && call.Err != nil {
			c.assertOutage(call.Err)
		}
	}
}

// waitForClose waits until the client has closed the connections that it does not keep.
func (c *cell) waitForClose() {
	c.Helper()
	// On a busy machine, a dial may end after its call, and its connection is kept.
	const maxOpen = 4
	assert.Eventually(c, func() bool { return c.proxy.Counts().Open <= maxOpen }, margin, 5*time.Millisecond,
		"%d connections are open", c.proxy.Counts().Open)
}

// openFiles returns the number of open files of this process, or 0 if it is unknown.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	return len(entries)
}
