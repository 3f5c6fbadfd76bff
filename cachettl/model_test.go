package cachettl_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
)

// TestModel runs random commands against a Cache and against a model of it that
// has no locks, no fetches in flight and no shortcuts. It compares every result,
// every call of the store and the counters.
//
// The commands are drawn first and run in a bubble of their own, so that a failure
// shrinks. Use `go test -run TestModel -rapid.checks=10000` for a longer search.
func TestModel(t *testing.T) {
	for range 20 { // each with the number of checks of -rapid.checks
		rapid.Check(t, func(rt *rapid.T) {
			s := drawSetup(rt)
			commands := rapid.SliceOfN(rapid.Custom(drawCommand), commandsPerRun, commandsPerRun).Draw(rt, "commands")
			var difference string
			synctest.Test(t, func(*testing.T) { difference = run(s, commands) })
			if difference != "" {
				rt.Fatalf("%+v\n%s", s, difference)
			}
		})
	}
}

// commandsPerRun is fixed, because the lengths that rapid chooses are too short. A
// failure shrinks to commands that do nothing.
const commandsPerRun = 40

// A setup does not change during a run.
type setup struct {
	ttl, staleIfError, staleWhileRevalidate, refreshAhead, negativeTTL, minRefresh time.Duration

	lease   time.Duration // of every secret; 0: none
	noFresh bool          // the store does not support fresh reads
}

func drawSetup(rt *rapid.T) setup {
	among := func(label string, ds ...time.Duration) time.Duration { return rapid.SampledFrom(ds).Draw(rt, label) }
	return setup{
		ttl:                  among("ttl", time.Minute, time.Minute, time.Minute, 0),
		staleIfError:         among("staleIfError", 0, 10*time.Minute, 30*time.Second),
		staleWhileRevalidate: among("staleWhileRevalidate", 0, 0, 20*time.Second),
		refreshAhead:         among("refreshAhead", 0, 10*time.Second, time.Hour),
		negativeTTL:          among("negativeTTL", 0, 5*time.Second),
		minRefresh:           among("minRefresh", 0, -1),
		lease:                among("lease", 0, 0, 40*time.Second, 100*time.Second),
		noFresh:              rapid.IntRange(0, 3).Draw(rt, "noFresh") == 3,
	}
}

// A command changes the cache, the store or the clocks. op decides which of the other
// fields it needs.
type command struct {
	op         string
	name       string
	field      string
	class      hush.Class
	wall, mono time.Duration
}

func (c command) String() string {
	switch c.op {
	case "pass":
		return fmt.Sprintf("wall +%v, mono +%v", c.wall, c.mono)
	case "break":
		return fmt.Sprintf("break: %v", c.class)
	case "mend", "evict":
		return c.op
	}
	return fmt.Sprintf("%s %s %s", c.op, c.name, c.field)
}

const fallbacks = hush.ErrCanceled + 1 // the store fails, and a fallback responds

func drawCommand(rt *rapid.T) command {
	c := command{
		op: rapid.SampledFrom([]string{
			"", "get", "get", "get", "get", "get", "fresh", "newer", "pass", "pass", "pass", "pass", "break", "break",
			"mend", "rotate", "roll back", "front catches up", "deny", "delete", "allow", "forget", "evict",
		}).Draw(rt, "op"),
		name: rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(rt, "name"),
	}
	switch c.op {
	case "get", "fresh":
		c.field = rapid.SampledFrom([]string{"", "", "p", "missing"}).Draw(rt, "field")
	case "break":
		c.class = rapid.SampledFrom([]hush.Class{
			hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrThrottled, hush.ErrUnavailable,
			hush.ErrRefused, hush.ErrAbsent, hush.ErrUnsupported, fallbacks,
		}).Draw(rt, "class")
	case "pass":
		d := rapid.SampledFrom([]time.Duration{
			time.Minute, 100 * time.Millisecond, 100*time.Millisecond - 1, 1, time.Second, 4 * time.Second,
			10 * time.Second, 20 * time.Second, 30 * time.Second, 10 * time.Minute,
		}).Draw(rt, "time")
		c.wall, c.mono = d, d
		switch rapid.SampledFrom([]string{"both", "both", "wall", "mono"}).Draw(rt, "clock") {
		case "wall":
			c.mono = 0
		case "mono":
			c.wall = 0
		}
	}
	return c
}

// A comparison has the cache, its store, the model, and the results so far.
type comparison struct {
	setup
	clock *clocktest.Clock
	store *modelStore
	cache *cachettl.Cache
	model *model

	gets  uint64
	seen  map[string]returned // the last secret of each name, for NewerThan
	trace strings.Builder
}

type returned struct {
	secret hush.Secret
	field  string
}

// run returns the first difference between cache and model, after the commands that
// led to it.
func run(s setup, commands []command) (difference string) {
	clocks, opts := fakeClocks()
	store := newModelStore(s, clocks.Now)
	m := &model{setup: s, store: store, now: clocks.Now, entries: map[string]*modelEntry{}}
	opts.Jitter, opts.MaxEntries, opts.CountHits = -1, 8, true
	opts.StaleIfError, opts.StaleWhileRevalidate, opts.RefreshAhead = s.staleIfError, s.staleWhileRevalidate, s.refreshAhead
	opts.NegativeTTL, opts.MinRefresh = s.negativeTTL, s.minRefresh
	opts.OnStale = func(ref hush.Ref, _ hush.Secret, _ error) { store.onStaleCalled[ref.Name] = true }
	d := &comparison{setup: s, clock: clocks, store: store, cache: cachettl.New(store, s.ttl, opts), model: m, seen: map[string]returned{}}
	defer func() { _ = d.cache.Close() }()
	for i, c := range commands {
		if c.op != "" {
			fmt.Fprintf(&d.trace, "%2d %s\n", i, c)
		}
		fault := d.do(c)
		synctest.Wait() // for background fetches
		if fault == "" {
			fault = d.compareCalls()
		}
		if fault != "" {
			return d.trace.String() + fault
		}
	}
	return d.compareStats()
}

func (d *comparison) do(c command) (fault string) {
	switch v := d.store.secrets[c.name]; c.op {
	case "get", "fresh", "newer":
		return d.get(c)
	case "forget":
		d.cache.Forget(hush.Name(c.name))
		d.model.entries[c.name] = &modelEntry{freshLeft: 2}
	case "evict":
		d.evict()
	case "pass":
		d.clock.Move(c.wall, c.mono)
	case "rotate":
		v.latest++
		v.current = v.latest
	case "roll back":
		v.current = max(v.current-1, 1)
	case "front catches up":
		v.frontVersion = v.current
	case "break":
		d.store.failure = c.class
	case "mend":
		d.store.failure = 0
	case "deny":
		v.failure = hush.ErrDenied
	case "delete":
		v.failure = hush.ErrNotFound
	case "allow":
		v.failure = 0
	}
	return ""
}

func (d *comparison) get(c command) (fault string) {
	ref, rejected := hush.Ref{Name: c.name, Field: c.field}, d.seen[c.name]
	switch c.op {
	case "fresh":
		ref = ref.Fresh()
	case "newer":
		ref.Field = rejected.field
		ref = ref.NewerThan(rejected.secret)
	}
	want, wantClass := d.model.get(ref)
	got, err := d.cache.Get(context.Background(), ref)
	synctest.Wait() // for a refresh in the background
	d.gets++
	if class := hush.ClassOf(err); class != wantClass || !equal(got, want) {
		return fmt.Sprintf("got  %s\nwant %s", text(got, class), text(want, wantClass))
	}
	if err == nil {
		d.seen[c.name] = returned{got, ref.Field}
	}
	if got.Stale && !got.FromFallback && !d.store.onStaleCalled[c.name] {
		return "a stale secret without a call of OnStale"
	}
	return ""
}

// evict reads other secrets until all others are evicted. Forgotten keys stay forgotten.
func (d *comparison) evict() {
	for range 24 {
		d.store.fillers++
		name := fmt.Sprint("filler ", d.store.fillers)
		_, _ = d.cache.Get(context.Background(), hush.Name(name))
		d.gets++
		d.model.fetches++
	}
	for name, e := range d.model.entries {
		d.model.entries[name] = &modelEntry{freshLeft: e.freshLeft}
	}
}

func (d *comparison) compareCalls() string {
	got, want := d.store.calls, d.model.calls
	d.store.calls, d.model.calls = nil, nil
	if slices.Equal(got, want) {
		return ""
	}
	return fmt.Sprintf("calls of the store: %q; want %q", got, want)
}

func (d *comparison) compareStats() string {
	s := d.cache.Stats()
	if s.Hits+s.Stale+s.Misses != d.gets || s.Fetches != d.model.fetches || s.Rotations != d.model.rotations || s.Abandoned > 0 || s.Entries > 8 {
		return fmt.Sprintf("%s%+v, want %d gets, %d fetches, %d rotations", &d.trace, s, d.gets, d.model.fetches, d.model.rotations)
	}
	return ""
}
