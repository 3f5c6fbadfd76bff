package chain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
)

// A flakyChain has two links: flaky, whose result the test sets, and env, which returns the
// secret. Its clocks stand still, and its breakers wait without jitter.
type flakyChain struct {
	*testing.T
	*chain.Chain
	clocktest.Clock
	result   hush.Class // of the flaky link; zero: a secret
	calls    int        // of the link
	reported []chain.Call
}

func newFlakyChain(t *testing.T, o chain.Options) *flakyChain {
	t.Helper()
	b := &flakyChain{T: t}
	b.clock(&o)
	o.OnCall = func(_ context.Context, c chain.Call) { b.reported = append(b.reported, c) }
	flaky := linkFunc("flaky", func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		b.calls++
		if b.result == 0 {
			return hush.Secret{}, nil
		}
		return hush.Secret{}, hush.NewError("store", ref, b.result, nil)
	})
	b.Chain = chain.New([]chain.Link{flaky, returns("env", 0)}, &o)
	return b
}

// clock makes o use the clocks of b, without jitter.
func (b *flakyChain) clock(o *chain.Options) {
	o.SetClock(b.Now)
	o.SetJitter(func(most time.Duration) time.Duration { return most })
}

// getCalls sets the result of the flaky link and reports whether a Get calls it.
func (b *flakyChain) getCalls(result hush.Class) bool {
	b.Helper()
	b.result = result
	before := b.calls
	secret, err := b.Get(b.Context(), hush.Name("db"))
	if result == hush.ErrInvalidRef && b.calls > before {
		require.ErrorIs(b, err, hush.ErrInvalidRef)
	} else {
		require.NoError(b, err)
		assert.Equal(b, result == 0 && b.calls > before, secret.Source == "flaky")
	}
	return b.calls > before
}

// open makes the flaky link's breaker open.
func (b *flakyChain) open() {
	b.Helper()
	for range 5 {
		require.True(b, b.getCalls(hush.ErrUnavailable))
	}
	require.False(b, b.getCalls(0))
}

const down = hush.ErrUnavailable

func TestBreakerOpensAfterFiveFailures(t *testing.T) {
	b := newFlakyChain(t, chain.Options{})
	for i := range 5 {
		assert.True(t, b.getCalls(down), "failure %d", i+1)
	}
	b.Advance(time.Second - 1)
	assert.False(t, b.getCalls(0), "for a second")
	b.Advance(1)
	assert.True(t, b.getCalls(0), "then a probe is made")
	assert.True(t, b.getCalls(0), "whose response closes it")
}

// A response resets the count, and the breaker's fast path works again.
func TestResponseResetsFailureCount(t *testing.T) {
	b := newFlakyChain(t, chain.Options{})
	assert.True(t, b.IsHealthy())
	for _, failures := range []int{1, 4, 5} {
		for range failures {
			b.getCalls(down)
			assert.False(t, b.IsHealthy())
		}
		b.Advance(time.Second)
		assert.True(t, b.getCalls(hush.ErrNotFound))
		assert.True(t, b.IsHealthy(), "%d failures", failures)
	}
}

func TestResultsThatBreakerCounts(t *testing.T) {
	type verdict string
	const (
		counts  verdict = "counts"
		neutral verdict = "neutral"
		none    verdict = "no verdict"
	)
	for class, want := range map[hush.Class]verdict{
		0:                       neutral,
		hush.ErrNotFound:        neutral,
		hush.ErrDenied:          neutral,
		hush.ErrUnauthenticated: neutral,
		hush.ErrThrottled:       neutral,
		hush.ErrRefused:         neutral,
		hush.ErrUnavailable:     counts,
		hush.ErrAbsent:          none,
		hush.ErrUnsupported:     none,
		hush.ErrInvalidRef:      none,
		hush.ErrRejected:        none,
	} {
		t.Run(fmt.Sprint(class, " ", want), func(t *testing.T) {
			// Four failures, the class, and one more failure: the breaker stays closed only if
			// the class is a response.
			b := newFlakyChain(t, chain.Options{})
			for range 4 {
				b.getCalls(down)
			}
			b.getCalls(class)
			open := want == counts
			assert.Equal(t, !open, b.getCalls(down))
			assert.Equal(t, want == neutral, b.getCalls(down))

			// A probe with the class: a response closes the breaker, a failure doubles the wait,
			// and after other results the next call is a probe.
			b = newFlakyChain(t, chain.Options{})
			b.open()
			b.Advance(time.Second)
			require.True(t, b.getCalls(class))
			last := b.reported[len(b.reported)-1]
			if class != 0 && class != hush.ErrInvalidRef { // those have no call of env after them
				last = b.reported[len(b.reported)-2]
			}
			assert.Equal(t, want == neutral, last.Breaker == "closed")
			assert.Equal(t, !open, b.getCalls(down), "the next call")
			b.Advance(time.Second)
			if want == none {
				assert.False(t, b.getCalls(down), "it was a probe that failed: the wait doubled")
			}
		})
	}
}

func TestWaitDoublesUpToMaxWait(t *testing.T) {
	b := newFlakyChain(t, chain.Options{})
	b.open()
	for _, seconds := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
		b.Advance(seconds*time.Second - 1)
		require.False(t, b.getCalls(down), "%d s", seconds)
		b.Advance(1)
		require.True(t, b.getCalls(down), "%d s", seconds)
		require.False(t, b.getCalls(down))
	}
	b.Advance(30 * time.Second)
	require.True(t, b.getCalls(0))
	b.open()
	b.Advance(time.Second)
	assert.True(t, b.getCalls(0), "a success starts over")
}

func TestBreakerOptions(t *testing.T) {
	b := newFlakyChain(t, chain.Options{Breaker: chain.Breaker{Failures: 2, Wait: time.Minute, MaxWait: time.Second}})
	assert.True(t, b.getCalls(down))
	assert.True(t, b.getCalls(down))
	for range 3 { // MaxWait is never less than Wait
		b.Advance(time.Minute - 1)
		assert.False(t, b.getCalls(down))
		b.Advance(1)
		assert.True(t, b.getCalls(down))
	}

	b = newFlakyChain(t, chain.Options{Breaker: chain.Breaker{Failures: -1}})
	for range 1000 {
		require.True(t, b.getCalls(down), "it never opens")
	}
}

func TestJitterIsFull(t *testing.T) {
	const times = 200
	short := 0
	for range times {
		var last chain.Call
		c := chain.New([]chain.Link{returns("a", down)}, &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
			if !c.Unresolved {
				last = c
			}
		}})
		for range 5 {
			_, _ = c.Get(t.Context(), hush.Name("db"))
		}
		require.Equal(t, "opened", last.Breaker)
		require.Positive(t, last.Wait)
		require.LessOrEqual(t, last.Wait, time.Second)
		if last.Wait < time.Second/2 {
			short++
		}
	}
	assert.NotZero(t, short, "chance to fail: 1 in 2 to the 200")
	assert.Less(t, short, times)
}

// cut reports whether a Get calls the first link of c. The call may cancel the caller's
// context.
func (b *flakyChain) cut(c *chain.Chain, cancel *context.CancelFunc) bool {
	b.Helper()
	before := b.calls
	var ctx context.Context
	ctx, *cancel = context.WithCancel(b.Context())
	defer (*cancel)()
	_, _ = c.Get(ctx, hush.Name("db"))
	return b.calls > before
}

func TestBreakerWhenCallersContextEnds(t *testing.T) {
	env := returns("env", 0)
	refused := errors.New("connection refused")
	for _, test := range []struct {
		name    string
		returns error
		counts  bool
	}{
		{"by class", hush.NewError("store", hush.Name("db"), hush.ErrCanceled, context.Canceled), false},
		{"by bare class", hush.ErrCanceled, false},
		{"wrapped, without a class", fmt.Errorf("get: %w", context.Canceled), false},
		{"bare", context.Canceled, false},
		{"an outage before it", hush.NewError("store", hush.Name("db"), hush.ErrUnavailable, context.Canceled), true},
		{"another failure at the same time", refused, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &flakyChain{T: t}
			var cancel context.CancelFunc
			returns := test.returns
			link := linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
				b.calls++
				if returns != nil {
					cancel()
					return hush.Secret{}, returns
				}
				return hush.Secret{}, refused
			})
			var o chain.Options
			b.clock(&o)
			c := chain.New([]chain.Link{link, env}, &o)
			for range 5 {
				assert.True(t, b.cut(c, &cancel))
			}
			assert.Equal(t, !test.counts, b.cut(c, &cancel))

			c = chain.New([]chain.Link{link, env}, &o)
			returns = nil
			for range 5 {
				assert.True(t, b.cut(c, &cancel))
			}
			b.Advance(time.Second)
			returns = test.returns
			assert.True(t, b.cut(c, &cancel), "the probe")
			returns = nil
			assert.Equal(t, !test.counts, b.cut(c, &cancel), "no verdict gives its place back at once")
			assert.False(t, b.cut(c, &cancel))
		})
	}
}
