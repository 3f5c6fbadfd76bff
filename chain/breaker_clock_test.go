package chain_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// The wait ends by either clock. In Lambda, the monotonic clock stands still while the
// environment is frozen. The wall clock can be set back.
func TestWaitEndsByEitherClock(t *testing.T) {
	for _, test := range []struct {
		name       string
		wall, mono time.Duration
		over       bool
	}{
		{"both", time.Second, time.Second, true},
		{"neither", time.Second - 1, time.Second - 1, false},
		{"frozen for an hour", time.Hour, 0, true},
		{"frozen for less than the wait", time.Second - 1, 0, false},
		{"the wall set back", -time.Hour, time.Second, true},
		{"the wall set back, and the wait not over", -time.Hour, time.Second - 1, false},
		{"the wall stands still", 0, time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newFlakyChain(t, chain.Options{})
			b.open()
			b.Move(test.wall, test.mono)
			assert.Equal(t, test.over, b.getCalls(down), test.name)

			// The next wait begins now, by both clocks.
			if test.over {
				assert.False(t, b.getCalls(down), test.name)
				b.Advance(2 * time.Second)
				assert.True(t, b.getCalls(0), test.name)
			}
		})
	}
}

// A closed breaker does not use a clock: failures a year apart are consecutive.
func TestConsecutiveFailuresHaveNoTimeLimit(t *testing.T) {
	b := newFlakyChain(t, chain.Options{})
	for range 5 {
		b.Move(365*24*time.Hour, 0)
		assert.True(t, b.getCalls(down))
	}
	assert.False(t, b.getCalls(down))
}

// probed is a chain of a link whose breaker is open and a link that responds. The test
// controls the further calls of the first link.
type probed struct {
	*flakyChain
	*chain.Chain
	calls chan func(hush.Class) // one for each call of the link: ends it
}

type callKey struct{}

func probing(t *testing.T) *probed {
	t.Helper()
	p := &probed{flakyChain: &flakyChain{T: t}, calls: make(chan func(hush.Class))}
	o := chain.Options{OnCall: func(ctx context.Context, c chain.Call) {
		if first, ok := ctx.Value(callKey{}).(*chain.Call); ok && c.Provider == "a" {
			*first = c
		}
	}}
	p.clock(&o)
	broken := true
	p.Chain = chain.New([]chain.Link{linkFunc("a", func(context.Context, hush.Ref) (hush.Secret, error) {
		if broken {
			return hush.Secret{}, down
		}
		end := make(chan hush.Class)
		p.calls <- func(class hush.Class) { end <- class }
		if class := <-end; class != 0 {
			return hush.Secret{}, class
		}
		return hush.Secret{}, nil
	}), returns("env", 0)}, &o)
	for range 5 {
		p.get()
	}
	broken = false
	p.Advance(time.Second)
	return p
}

// get returns the Call of the first link in a Get.
func (p *probed) get() (c chain.Call) {
	_, err := p.Get(context.WithValue(p.Context(), callKey{}, &c), hush.Name("db"))
	assert.NoError(p, err)
	return c
}

// start starts a Get that calls the link. end makes the link fail with a class, and returns
// the class of the Call.
func (p *probed) start() (end func(hush.Class) hush.Class) {
	got := make(chan chain.Call, 1)
	go func() { got <- p.get() }()
	finish := <-p.calls
	return func(class hush.Class) hush.Class {
		finish(class)
		return hush.ClassOf((<-got).Err)
	}
}

// skipped returns why a Get skips the link.
func (p *probed) skipped() string {
	p.Helper()
	c := p.get()
	require.True(p, c.Skipped)
	return c.Err.Error()
}

func TestOneProbeAtATime(t *testing.T) {
	p := probing(t)
	end := p.start()
	assert.Contains(t, p.skipped(), "skipped: breaker is open, probe in flight")
	p.Advance(59 * time.Second)
	assert.Contains(t, p.skipped(), "probe in flight")
	assert.Equal(t, down, end(down))
	assert.Contains(t, p.skipped(), "next probe in 2s", "from the end of the probe")
	p.Advance(2 * time.Second)
	assert.Zero(t, p.start()(0))
	first, second := p.start(), p.start()
	assert.Zero(t, first(0), "closed: two at a time")
	assert.Zero(t, second(0))
}

// If a probe is interrupted by a freeze or never ends, the link is probed again. The late
// result does not count.
func TestLateProbeIsIgnored(t *testing.T) {
	for _, late := range []hush.Class{0, down, hush.ErrAbsent} {
		p := probing(t)
		lost := p.start()
		p.Move(time.Minute, 0)
		second := p.start()
		assert.Equal(t, late, lost(late))
		assert.Contains(t, p.skipped(), "probe in flight", "the late end of the first, %v, changes nothing", late)
		assert.Equal(t, hush.ErrNotFound, second(hush.ErrNotFound))
		assert.Zero(t, p.start()(0))
	}
}

// A call that began before the breaker opened or closed describes an earlier state of the
// store.
func TestCallsOfEarlierGenerationsDoNotCount(t *testing.T) {
	p := probing(t)
	require.Zero(t, p.start()(0), "closed")
	var before []func(hush.Class) hush.Class
	for range 12 {
		before = append(before, p.start())
	}
	for _, end := range before[:5] {
		end(down)
	}
	assert.Contains(t, p.skipped(), "next probe in 1s")
	before[5](down)
	assert.Contains(t, p.skipped(), "next probe in 1s", "one more failure does not open it again")
	before[6](0)
	assert.Contains(t, p.skipped(), "next probe in 1s", "nor does an old response close it")

	p.Advance(time.Second)
	require.Zero(t, p.start()(0), "a probe does")
	for _, end := range before[7:] {
		end(down)
	}
	assert.Zero(t, p.start()(0), "five old failures do not open it")
}
