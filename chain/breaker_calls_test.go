package chain_test

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

func TestSkippedLinkIsReported(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	b := newFlakyChain(t, chain.Options{Logger: zap.New(core)})
	b.open()
	b.reported = nil
	logs.TakeAll()
	b.Advance(260 * time.Millisecond)
	got, err := b.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.True(t, got.FromFallback, "a skipped store could not serve it")

	require.Len(t, b.reported, 2)
	skipped := b.reported[0]
	assert.EqualError(t, skipped.Err, `flaky: "db": unavailable: skipped: breaker is open, next probe in 740ms`)
	skipped.Err = nil
	assert.Equal(t, chain.Call{
		Provider: "flaky", Link: 1, Ref: hush.Name("db"),
		Skipped: true, Wait: 740 * time.Millisecond,
	}, skipped)
	assert.Equal(t, 1, b.reported[1].Attempt, "env is the first link that was called")
	assert.Equal(t, []string{"debug flaky skipped", "info env ok"}, brief(logs))
}

func TestBreakerTransitionsAreLogged(t *testing.T) {
	var out bytes.Buffer
	slogs := chain.SlogCalls(slog.New(slog.NewTextHandler(&out, nil)))
	core, logs := observer.New(zap.WarnLevel)
	b := newFlakyChain(t, chain.Options{Logger: zap.New(core)})
	b.open()
	b.Advance(time.Second)
	require.True(t, b.getCalls(down), "a probe that fails changes nothing")
	b.Advance(2 * time.Second)
	require.True(t, b.getCalls(0))

	changes := logs.FilterMessage("breaker opened").All()
	require.Len(t, changes, 1)
	assert.Equal(t, zap.WarnLevel, changes[0].Level)
	assert.Equal(t, map[string]any{"provider": "flaky", "failures": int64(5), "wait": time.Second}, changes[0].ContextMap())
	changes = logs.FilterMessage("breaker closed").All()
	require.Len(t, changes, 1)
	assert.Equal(t, zap.WarnLevel, changes[0].Level)
	assert.Equal(t, map[string]any{"provider": "flaky", "failures": int64(6)}, changes[0].ContextMap())
	assert.Equal(t, 8, logs.Len(), "the others are the six failures")

	type fact struct {
		breaker  string
		failures int
		wait     time.Duration
	}
	var facts []fact
	for _, c := range b.reported {
		if slogs(t.Context(), c); c.Provider == "flaky" && !c.Skipped {
			facts = append(facts, fact{c.Breaker, c.Failures, c.Wait})
		}
	}
	assert.Equal(t, []fact{
		{"", 1, 0}, {"", 2, 0}, {"", 3, 0}, {"", 4, 0}, {"opened", 5, time.Second}, {"", 6, 2 * time.Second}, {"closed", 6, 0},
	}, facts)
	assert.Contains(t, out.String(), `level=WARN msg="breaker opened" provider=flaky failures=5 wait=1s`+"\n")
	assert.Contains(t, out.String(), `level=WARN msg="breaker closed" provider=flaky failures=6`+"\n")
	assert.Equal(t, 2, strings.Count(out.String(), "breaker"))
}

func TestBreakerClosesDuringLookup(t *testing.T) {
	for _, canceled := range []bool{false, true} {
		b := &flakyChain{T: t}
		var o chain.Options
		b.clock(&o)
		result, meanwhile := down, func() {}
		first := linkFunc("first", func(context.Context, hush.Ref) (hush.Secret, error) {
			if result == 0 {
				return hush.Secret{}, nil
			}
			return hush.Secret{}, result
		})
		second := linkFunc("second", func(context.Context, hush.Ref) (hush.Secret, error) {
			meanwhile()
			return hush.Secret{}, hush.ErrNotFound
		})
		c := chain.New([]chain.Link{first, second}, &o)
		for range 5 {
			_, _ = c.Get(t.Context(), hush.Name("db"))
		}
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		meanwhile = func() {
			result = 0
			b.Advance(time.Second)
			_, err := c.Get(t.Context(), hush.Name("db"))
			assert.NoError(t, err)
			if canceled {
				cancel()
			}
		}
		got, err := c.Get(ctx, hush.Name("db"))
		if canceled {
			assert.EqualError(t, err, `chain: "db": canceled: first: unavailable: skipped: breaker has just closed; `+
				`second: not found; context canceled before first was called`)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, "first", got.Source, "by a last-resort call")
		assert.False(t, got.FromFallback)
	}
}

// A skipped link has the same effect on the rest of a lookup as a failure with
// ErrUnavailable.
func TestSkippedLinkIsTreatedAsUnavailable(t *testing.T) {
	for _, test := range []struct {
		name     string
		links    []chain.Link // each returns unavailable, or a result that the breaker does not count
		policy   chain.Policy
		want     hush.Class
		fallback bool
	}{
		{"a store", []chain.Link{returns("a", down), returns("b", 0)}, nil, 0, true},
		{"a store under OutagesOnly", []chain.Link{returns("a", down), returns("b", 0)}, chain.OutagesOnly, 0, true},
		{"its policy is called", []chain.Link{returns("a", down), returns("b", 0)}, never, down, false},
		{"it decides", []chain.Link{returns("a", down), returns("b", hush.ErrNotFound)}, nil, down, false},
		{"after another failure", []chain.Link{returns("a", hush.ErrDenied), returns("b", down)}, nil, down, false},
		{"a front of a store that responds", []chain.Link{front(returns("a", down)), returns("b", 0)}, nil, 0, false},
		{"a front under a strict policy", []chain.Link{front(returns("a", down)), returns("b", 0)}, never, 0, false},
		{"a front of a store without the secret", []chain.Link{front(returns("a", down)), returns("b", hush.ErrNotFound)}, nil, hush.ErrNotFound, false},
		{"a front that was the only way", []chain.Link{front(returns("a", down)), returns("b", hush.ErrAbsent), returns("c", 0)}, nil, 0, true},
		{"the store overrules its front", []chain.Link{front(returns("a", hush.ErrRefused)), returns("b", down)}, nil, down, false},
		{"a front of a store that is skipped", []chain.Link{front(returns("a", hush.ErrThrottled)), front(returns("b", 0)), returns("c", down)}, nil, down, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &flakyChain{T: t}
			var o chain.Options
			b.clock(&o)
			skips := 0
			o.OnCall = func(_ context.Context, c chain.Call) {
				if c.Skipped && hush.ClassOf(c.Err) == down {
					skips++
				}
			}
			c := chain.New(withPolicy(test.policy, test.links...), &o)
			for i := range 7 {
				got, err := c.Get(t.Context(), hush.Name("db"))
				assert.Equal(t, test.want, hush.ClassOf(err), "%s, call %d", test.name, i+1)
				assert.Equal(t, test.fallback, got.FromFallback, "%s, call %d", test.name, i+1)
			}
			assert.Equal(t, 2, skips, "%s: two calls after the breaker opened", test.name)
		})
	}
}

func TestThrottledFrontIsNotProbed(t *testing.T) {
	b := &flakyChain{T: t}
	var o chain.Options
	b.clock(&o)
	result := hush.ErrNotFound
	first := linkFunc("first", func(context.Context, hush.Ref) (hush.Secret, error) { return hush.Secret{}, result })
	second := linkFunc("second", func(context.Context, hush.Ref) (hush.Secret, error) {
		b.calls++
		return hush.Secret{}, down
	})
	c := chain.New([]chain.Link{front(first), front(second), returns("store", 0)}, &o)
	calls := func() int {
		_, err := c.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		return b.calls
	}
	for range 6 {
		calls()
	}
	require.Equal(t, 5, b.calls)
	b.Advance(time.Second)
	result = hush.ErrThrottled
	assert.Equal(t, 5, calls(), "not called, although a probe is due")
	result = hush.ErrNotFound
	assert.Equal(t, 6, calls(), "and the probe is still to be made")
}

func TestBreakerCountsAndSkipsFreshReads(t *testing.T) {
	b := newFlakyChain(t, chain.Options{})
	b.result = down
	fresh := hush.Name("other").Fresh()
	for range 3 {
		_, _ = b.Get(t.Context(), fresh)
	}
	for range 2 {
		_, _ = b.Get(t.Context(), hush.Name("db"))
	}
	b.result = 0
	got, err := b.Get(t.Context(), fresh)
	require.NoError(t, err)
	assert.Equal(t, "env", got.Source)
	assert.True(t, got.FromFallback)
}

func TestEachLinkHasItsOwnBreaker(t *testing.T) {
	b := &flakyChain{T: t}
	o, _, calls := watch(zap.FatalLevel)
	b.clock(o)
	c := chain.New([]chain.Link{returns("a", down), returns("b", hush.ErrDenied), returns("c", down), returns("d", 0)}, o)
	for range 6 {
		_, _ = c.Get(t.Context(), hush.Name("db"))
	}
	var last []string
	for _, call := range (*calls)[20:] {
		last = append(last, call.Provider+" "+call.Outcome())
	}
	assert.Equal(t, []string{"a skipped", "b denied", "c skipped", "d ok"}, last)
}

// If a probe panics or its goroutine exits, the next call is a probe.
func TestProbeThatPanicsIsRepeated(t *testing.T) {
	for name, ends := range map[string]func(){"panic": func() { panic("a defect") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			b := &flakyChain{T: t}
			var o chain.Options
			b.clock(&o)
			broken := false
			c := chain.New([]chain.Link{linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
				b.calls++
				if broken {
					ends()
				}
				return hush.Secret{}, down
			}), returns("env", 0)}, &o)
			get := func() {
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					_, _ = c.Get(t.Context(), hush.Name("db"))
				}()
				<-done
			}
			for range 6 {
				get()
			}
			require.Equal(t, 5, b.calls, name)
			b.Advance(time.Second)
			broken = true
			get()
			get()
			assert.Equal(t, 7, b.calls, "%s: the next call is the probe", name)
			broken = false
			get()
			get()
			assert.Equal(t, 8, b.calls, "%s: whose failure counts", name)
		})
	}
}

func TestSkippedLinkLeavesItsShareToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o chain.Options
		o.Breaker.Wait = time.Hour
		o.SetJitter(func(most time.Duration) time.Duration { return most })
		c := chain.New([]chain.Link{limited(hangs("dead"), time.Second), hangs("slow"), returns("env", 0)}, &o)
		took := func() time.Duration {
			ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
			defer cancel()
			start := time.Now()
			_, err := c.Get(ctx, hush.Name("db"))
			require.NoError(t, err)
			return time.Since(start)
		}
		assert.Equal(t, 5*time.Second, took(), "1 s of dead's, and half of the other 8 s")
		for range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(2*time.Second, cancel)
			_, err := c.Get(ctx, hush.Name("db"))
			require.ErrorIs(t, err, context.Canceled, "which does not count as a failure of slow")
		}
		assert.Equal(t, 4500*time.Millisecond, took(), "half of it all")
	})
}
