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

// A bench is a chain of a link that says what it is told and one that answers,
// under clocks that stand still, with breakers that wait as long as they may.
type bench struct {
	*testing.T
	*chain.Chain
	clocktest.Clock
	word  hush.Class // what the link says; zero: a secret
	calls int        // of the link
	heard []chain.Call
}

func onBench(t *testing.T, o chain.Options) *bench {
	t.Helper()
	b := &bench{T: t}
	b.clock(&o)
	o.OnCall = func(_ context.Context, c chain.Call) { b.heard = append(b.heard, c) }
	flaky := does("flaky", func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		b.calls++
		if b.word == 0 {
			return hush.Secret{}, nil
		}
		return hush.Secret{}, hush.NewError("store", ref, b.word, nil)
	})
	b.Chain = chain.New([]chain.Link{flaky, says("env", 0)}, &o)
	return b
}

// clock makes o read the bench's clocks, and wait as long as it may.
func (b *bench) clock(o *chain.Options) {
	o.SetClock(b.Now)
	o.SetJitter(func(most time.Duration) time.Duration { return most })
}

// asks reports whether a Get asks the flaky link, which says word.
func (b *bench) asks(word hush.Class) bool {
	b.Helper()
	b.word = word
	before := b.calls
	secret, err := b.Get(b.Context(), hush.Name("db"))
	if word == hush.ErrInvalidRef && b.calls > before {
		require.ErrorIs(b, err, hush.ErrInvalidRef)
	} else {
		require.NoError(b, err)
		assert.Equal(b, word == 0 && b.calls > before, secret.Source == "flaky")
	}
	return b.calls > before
}

// open makes the flaky link's breaker open.
func (b *bench) open() {
	b.Helper()
	for range 5 {
		require.True(b, b.asks(hush.ErrUnavailable))
	}
	require.False(b, b.asks(0))
}

const down = hush.ErrUnavailable

func TestBreakerOpensAfterFiveFailures(t *testing.T) {
	b := onBench(t, chain.Options{})
	for i := range 5 {
		assert.True(t, b.asks(down), "failure %d", i+1)
	}
	b.Advance(time.Second - 1)
	assert.False(t, b.asks(0), "for a second")
	b.Advance(1)
	assert.True(t, b.asks(0), "then a probe is made")
	assert.True(t, b.asks(0), "whose answer closes it")
}

// All is well again, and as fast, after an answer.
func TestAnAnswerCalmsABreaker(t *testing.T) {
	b := onBench(t, chain.Options{})
	assert.True(t, b.Calm())
	for _, failures := range []int{1, 4, 5} {
		for range failures {
			b.asks(down)
			assert.False(t, b.Calm())
		}
		b.Advance(time.Second)
		assert.True(t, b.asks(hush.ErrNotFound))
		assert.True(t, b.Calm(), "%d failures", failures)
	}
}

func TestWhatCounts(t *testing.T) {
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
			// Four failures, the class, and one more failure: only an answer between
			// them keeps it closed.
			b := onBench(t, chain.Options{})
			for range 4 {
				b.asks(down)
			}
			b.asks(class)
			open := want == counts
			assert.Equal(t, !open, b.asks(down))
			assert.Equal(t, want == neutral, b.asks(down))

			// A probe of the class: an answer closes it, a failure doubles the wait,
			// and what says nothing leaves the next call to probe.
			b = onBench(t, chain.Options{})
			b.open()
			b.Advance(time.Second)
			require.True(t, b.asks(class))
			last := b.heard[len(b.heard)-1]
			if class != 0 && class != hush.ErrInvalidRef { // those have no call of env after them
				last = b.heard[len(b.heard)-2]
			}
			assert.Equal(t, want == neutral, last.Breaker == "closed")
			assert.Equal(t, !open, b.asks(down), "the next call")
			b.Advance(time.Second)
			if want == none {
				assert.False(t, b.asks(down), "it was a probe that failed: the wait doubled")
			}
		})
	}
}

func TestWaitDoublesToItsMost(t *testing.T) {
	b := onBench(t, chain.Options{})
	b.open()
	for _, seconds := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
		b.Advance(seconds*time.Second - 1)
		require.False(t, b.asks(down), "%d s", seconds)
		b.Advance(1)
		require.True(t, b.asks(down), "%d s", seconds)
		require.False(t, b.asks(down))
	}
	b.Advance(30 * time.Second)
	require.True(t, b.asks(0))
	b.open()
	b.Advance(time.Second)
	assert.True(t, b.asks(0), "a success starts over")
}

func TestBreakerOptions(t *testing.T) {
	b := onBench(t, chain.Options{Breaker: chain.Breaker{Failures: 2, Wait: time.Minute, MaxWait: time.Second}})
	assert.True(t, b.asks(down))
	assert.True(t, b.asks(down))
	for range 3 { // MaxWait is never less than Wait
		b.Advance(time.Minute - 1)
		assert.False(t, b.asks(down))
		b.Advance(1)
		assert.True(t, b.asks(down))
	}

	b = onBench(t, chain.Options{Breaker: chain.Breaker{Failures: -1}})
	for range 1000 {
		require.True(t, b.asks(down), "it never opens")
	}
}

func TestJitterIsFull(t *testing.T) {
	const times = 200
	short := 0
	for range times {
		var last chain.Call
		c := chain.New([]chain.Link{says("a", down)}, &chain.Options{OnCall: func(_ context.Context, c chain.Call) {
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

// cut reports whether a Get of c calls its first link, which may cancel the caller.
func (b *bench) cut(c *chain.Chain, cancel *context.CancelFunc) bool {
	b.Helper()
	before := b.calls
	var ctx context.Context
	ctx, *cancel = context.WithCancel(b.Context())
	defer (*cancel)()
	_, _ = c.Get(ctx, hush.Name("db"))
	return b.calls > before
}

func TestTheCallersEnd(t *testing.T) {
	env := says("env", 0)
	refused := errors.New("connection refused")
	for _, test := range []struct {
		name   string
		says   error
		counts bool
	}{
		{"by class", hush.NewError("store", hush.Name("db"), hush.ErrCanceled, context.Canceled), false},
		{"by bare class", hush.ErrCanceled, false},
		{"wrapped, without a class", fmt.Errorf("get: %w", context.Canceled), false},
		{"bare", context.Canceled, false},
		{"an outage before it", hush.NewError("store", hush.Name("db"), hush.ErrUnavailable, context.Canceled), true},
		{"another failure at the same time", refused, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bench{T: t}
			var cancel context.CancelFunc
			says := test.says
			link := does("a", func(context.Context, hush.Ref) (hush.Secret, error) {
				b.calls++
				if says != nil {
					cancel()
					return hush.Secret{}, says
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
			says = nil
			for range 5 {
				assert.True(t, b.cut(c, &cancel))
			}
			b.Advance(time.Second)
			says = test.says
			assert.True(t, b.cut(c, &cancel), "the probe")
			says = nil
			assert.Equal(t, !test.counts, b.cut(c, &cancel), "no verdict gives its place back at once")
			assert.False(t, b.cut(c, &cancel))
		})
	}
}
