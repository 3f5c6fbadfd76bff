package chain_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

type spanKey struct{}

// OnCall gets the context of the Get for every kind of Call.
func TestOnCallGetsTheContextOfTheGet(t *testing.T) {
	var parents []any
	o := longWait()
	o.OnCall = func(ctx context.Context, _ chain.Call) {
		parents = append(parents, ctx.Value(spanKey{}))
		assert.NoError(t, ctx.Err(), "the limit of the call has not ended it")
	}
	broken := returns("a", down)
	broken.Timeout = time.Hour
	c := chain.New([]chain.Link{front(returns("f", hush.ErrThrottled)), front(returns("g", 0)), broken}, o)
	ctx := context.WithValue(t.Context(), spanKey{}, "parent")
	for range 5 {
		_, _ = c.Get(t.Context(), hush.Name("db"))
	}
	parents = nil
	_, err := c.Get(ctx, hush.Name("db"))
	require.Error(t, err)
	assert.Equal(t, []any{"parent", "parent", "parent", "parent", "parent"}, parents, "f, g and a skipped, the last-resort call of a, and the lookup")

	parents = nil
	cache := cachettl.New(c, time.Minute, nil)
	defer cache.Close()
	_, err = cache.Get(ctx, hush.Name("db"))
	require.Error(t, err)
	assert.Contains(t, parents, "parent", "also through a cache")
}

// A panic in OnCall is a panic of Get. It leaks no goroutine, probe or slot.
func TestPanicInOnCallIsPanicOfGet(t *testing.T) {
	batches := func(l chain.Link) chain.Link {
		l.Provider = &batcher{get: l.Provider.(hush.ProviderFunc)}
		return l
	}
	single := func(c *chain.Chain) { _, _ = c.Get(t.Context(), hush.Name("one")) }
	batch := func(c *chain.Chain) { c.GetBatch(t.Context(), refs("one", "two", "three")) }
	for _, test := range []struct {
		name  string
		links []chain.Link
		call  func(*chain.Chain)
		when  func(chain.Call) bool
	}{
		{"a secret", []chain.Link{returns("a", 0)}, single, func(chain.Call) bool { return true }},
		{"a failure", []chain.Link{returns("a", down), returns("b", 0)}, single, func(c chain.Call) bool { return hush.ClassOf(c.Err) == down }},
		{"a lookup", []chain.Link{returns("a", down)}, single, func(c chain.Call) bool { return c.Unresolved }},
		{"Gets of a batch", []chain.Link{returns("a", 0)}, batch, func(chain.Call) bool { return true }},
		{"a batch", []chain.Link{batches(returns("a", 0))}, batch, func(chain.Call) bool { return true }},
		{"a batch that goes on", []chain.Link{batches(returns("a", down)), returns("b", 0)}, batch, func(c chain.Call) bool { return c.Link == 2 }},
		{"one ref of a batch", []chain.Link{batches(returns("a", 0))}, batch, func(c chain.Call) bool { return c.Ref.Name == "two" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := chain.New(test.links, &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
				if test.when(c) {
					panic("OnCall")
				}
			}})
			assert.PanicsWithValue(t, "OnCall", func() { test.call(c) })

			cache := cachettl.New(c, time.Minute, nil)
			defer cache.Close()
			for _, r := range cache.GetBatch(t.Context(), refs("two", "three")) {
				if r.Err != nil {
					assert.Equal(t, down, hush.ClassOf(r.Err))
				}
			}
			_, err := cache.Get(t.Context(), hush.Name("two"))
			assert.Equal(t, down, hush.ClassOf(err), "the fetch of a cache has a goroutine of its own")
		})
	}
}

func TestPanicInOnCallReleasesProbe(t *testing.T) {
	b := &flakyChain{T: t}
	panics := false
	o := &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
		if panics && c.Provider == "a" {
			panic("OnCall")
		}
	}}
	b.clock(o)
	result := down
	c := chain.New([]chain.Link{linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
		b.calls++
		if result != 0 {
			return hush.Secret{}, result
		}
		return hush.Secret{}, nil
	}), returns("env", 0)}, o)
	get := func() {
		defer func() { _ = recover() }()
		_, _ = c.Get(t.Context(), hush.Name("db"))
	}
	for range 5 {
		get()
	}
	b.Advance(time.Second)
	panics, result = true, hush.ErrAbsent // counts neither way
	get()
	panics, result = false, 0
	get()
	assert.Equal(t, 7, b.calls, "the next call is the probe")
	assert.True(t, c.IsHealthy())
}
