package chain_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/internal/clock"
)

// A modelLink is a link of the model: its configuration and the state of its breaker.
type modelLink struct {
	front    bool // and there is a store after it
	ends     []hush.Class
	failures int
	until    time.Duration
}

// A model implements the rules of the package comment in the simplest way.
type model struct {
	links     []*modelLink
	threshold int // of failures that opens a breaker; 0: none does
	now       time.Duration
}

// A course is what happens during one Get.
type course struct {
	Called   []string
	Skipped  []string // by their breakers
	Source   string
	Fallback bool
	Class    hush.Class
	Attempts []string
}

func (m *model) store(i int) int {
	return i + slices.IndexFunc(m.links[i:], func(l *modelLink) bool { return !l.front })
}

// holds reports whether the breaker of link i is open.
func (m *model) holds(i int) bool {
	l := m.links[i]
	return m.threshold > 0 && l.failures >= m.threshold && m.now < l.until
}

// call records the result of a call of link i.
func (m *model) call(i int, result hush.Class) {
	l := m.links[i]
	switch result {
	case hush.ErrUnavailable:
		if m.holds(i) {
			return // a last-resort call
		}
		l.failures++
		if m.threshold > 0 && l.failures >= m.threshold {
			wait := time.Second << min(l.failures-m.threshold, 10)
			l.until = m.now + min(wait, 30*time.Second)
		}
	case hush.ErrAbsent, hush.ErrUnsupported, hush.ErrRejected, hush.ErrInvalidRef:
	default:
		l.failures = 0
	}
}

// A modelLookup is the lookup of one Get.
type modelLookup struct {
	*model
	returns []hush.Class
	called  map[int]hush.Class
	passed  map[int]bool // skipped at some time
	course  course
}

// get walks along the links until one returns the secret. If no link does, it calls the
// first link that it has skipped and walks again, until it has called all of them.
func (m *model) get(returns []hush.Class, fresh bool) course {
	s := &modelLookup{model: m, returns: returns, called: map[int]hush.Class{}, passed: map[int]bool{}}
	for {
		results, held := s.walk()
		last := len(results) - 1
		switch {
		case results[last].class == 0:
			s.course.Source, s.course.Fallback = linkName(last), m.fallback(results, fresh)
			return s.course
		case results[last].class == hush.ErrInvalidRef:
			s.course.Class = hush.ErrInvalidRef
		case held >= 0:
			s.call(held)
			continue
		default:
			s.course.Class = expectedClass(results)
		}
		for i := range m.links {
			if _, called := s.called[i]; called || s.passed[i] {
				s.course.Attempts = append(s.course.Attempts, linkName(i))
			}
		}
		return s.course
	}
}

func (s *modelLookup) call(i int) {
	s.called[i] = s.returns[i]
	s.course.Called = append(s.course.Called, linkName(i))
	s.model.call(i, s.returns[i])
}

// walk returns the results of the links up to the one that ends the lookup, and the first
// skipped link that has not been called, or -1.
func (s *modelLookup) walk() (results []linkResult, held int) {
	for i, l := range s.links {
		class, called := s.called[i]
		switch {
		case called:
		case s.throttled(results, i):
			class = hush.ErrThrottled
		case s.holds(i):
			class = hush.ErrUnavailable
			if !s.passed[i] {
				s.passed[i] = true
				s.course.Skipped = append(s.course.Skipped, linkName(i))
			}
		default:
			s.call(i)
			class = s.returns[i]
		}
		results = append(results, linkResult{class, l.front})
		ends := !l.front && class != hush.ErrAbsent && class != hush.ErrUnsupported && slices.Contains(l.ends, class)
		if class == 0 || class == hush.ErrInvalidRef || ends {
			break
		}
	}
	held = slices.IndexFunc(s.links[:len(results)], func(l *modelLink) bool {
		i := slices.Index(s.links, l)
		_, called := s.called[i]
		return s.passed[i] && !called && !s.throttles(i)
	})
	return results, held
}

// throttles reports whether link i is a front of a store that has throttled any front.
func (s *modelLookup) throttles(i int) bool {
	for j, class := range s.called {
		if s.links[i].front && s.links[j].front && class == hush.ErrThrottled && s.store(j) == s.store(i) {
			return true
		}
	}
	return false
}

func linkName(i int) string { return fmt.Sprint("link", i) }

// throttled reports whether link i is a front whose store has a throttled front.
func (m *model) throttled(results []linkResult, i int) bool {
	for j, w := range results {
		if m.links[i].front && w.front && w.class == hush.ErrThrottled && m.store(j) == m.store(i) {
			return true
		}
	}
	return false
}

// fallback reports whether a store before the last link could not serve the secret. If a
// store is absent, its front counts as the store.
func (m *model) fallback(results []linkResult, fresh bool) bool {
	answer := len(results) - 1
	notAsked := []hush.Class{hush.ErrThrottled, hush.ErrUnavailable, hush.ErrRefused, hush.ErrUnauthenticated}
	if fresh {
		notAsked = append(notAsked, hush.ErrUnsupported)
	}
	for i, w := range results {
		if !slices.Contains(notAsked, w.class) {
			continue
		}
		switch store := m.store(i); {
		case !w.front:
			return true
		case store < answer && (results[store].class == hush.ErrAbsent || results[store].class == hush.ErrUnsupported):
			return true
		}
	}
	return false
}

// A subject is a chain with the same links, and the results of its next calls.
type subject struct {
	*chain.Chain
	returns  []hush.Class
	now      time.Duration
	observed bool // has an OnCall, which reports skipped links
	seen     course
}

func (s *subject) link(i int) chain.Link {
	name := linkName(i)
	return linkFunc(name, func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		s.seen.Called = append(s.seen.Called, name)
		if s.returns[i] == 0 {
			return hush.Secret{}, nil
		}
		return hush.Secret{}, hush.NewError("store", ref, s.returns[i], nil)
	})
}

func (s *subject) get(returns []hush.Class, ref hush.Ref) course {
	s.returns, s.seen = returns, course{}
	secret, err := s.Get(context.Background(), ref)
	s.seen.Source, s.seen.Fallback, s.seen.Class = secret.Source, secret.FromFallback, hush.ClassOf(err)
	if failure, ok := errors.AsType[*chain.Failure](err); ok {
		for _, attempt := range failure.Attempts() {
			e, _ := errors.AsType[*hush.Error](attempt)
			s.seen.Attempts = append(s.seen.Attempts, e.Provider)
		}
	}
	return s.seen
}

// draw makes a chain and its model.
func draw(t *rapid.T) (*subject, *model) {
	s, m := &subject{observed: rapid.Bool().Draw(t, "observed")}, &model{threshold: rapid.IntRange(0, 3).Draw(t, "row")}
	o := chain.Options{Breaker: chain.Breaker{Failures: m.threshold}}
	if s.observed {
		o.OnCall = func(_ context.Context, c chain.Call) {
			if c.Skipped && hush.ClassOf(c.Err) == hush.ErrUnavailable {
				s.seen.Skipped = append(s.seen.Skipped, c.Provider)
			}
		}
	}
	if m.threshold == 0 {
		o.Breaker.Failures = -1
	}
	o.SetClock(func() clock.Instant { return clock.Instant{Wall: int64(s.now), Mono: int64(s.now)} })
	o.SetJitter(func(most time.Duration) time.Duration { return most })
	own := rapid.SliceOfDistinct(rapid.SampledFrom(classes), rapid.ID[hush.Class])
	fronts := rapid.SliceOfN(rapid.Bool(), 1, 5).Draw(t, "fronts")
	var links []chain.Link
	for i, isFront := range fronts {
		l := s.link(i)
		l.Front = isFront
		var ends []hush.Class
		l.Policy, ends = policy(t, own)
		links = append(links, l)
		m.links = append(m.links, &modelLink{front: isFront && slices.Contains(fronts[i:], false), ends: ends})
	}
	s.Chain = chain.New(links, &o)
	return s, m
}

// policy draws a Policy and the classes that end a lookup under it.
func policy(t *rapid.T, own *rapid.Generator[[]hush.Class]) (chain.Policy, []hush.Class) {
	switch rapid.SampledFrom([]string{"", "OutagesOnly", "own"}).Draw(t, "policy") {
	case "OutagesOnly":
		return chain.OutagesOnly, []hush.Class{
			hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrRefused, hush.ErrRejected,
		}
	case "own":
		ends := own.Draw(t, "ends")
		return func(c hush.Class) bool { return !slices.Contains(ends, c) }, ends
	}
	return nil, nil
}

// A chain and the model make the same Gets while time passes.
func TestChainMatchesModel(t *testing.T) {
	for range 10 { // of rapid's hundred
		rapid.Check(t, checkModel)
	}
}

func checkModel(t *rapid.T) {
	s, m := draw(t)
	// Outages are drawn more often than other results, or no breaker would open.
	returns := slices.Concat(classes, []hush.Class{0, hush.ErrInvalidRef, down, down, down, down, down})
	result := rapid.SliceOfN(rapid.SampledFrom(returns), len(m.links), len(m.links))
	pause := rapid.SampledFrom([]time.Duration{0, 0, 0, time.Second / 2, time.Second, 2 * time.Second, 31 * time.Second})
	for range rapid.IntRange(1, 30).Draw(t, "gets") {
		s.now += pause.Draw(t, "pause")
		m.now = s.now
		ref, fresh := hush.Name("db"), rapid.Bool().Draw(t, "fresh")
		if fresh {
			ref = ref.Fresh()
		}
		results := result.Draw(t, "results")
		want, got := m.get(results, fresh), s.get(results, ref)
		if !s.observed {
			want.Skipped = nil
		}
		if !assert.ObjectsAreEqual(want, got) {
			t.Fatalf("the model returns\n%+v, the chain\n%+v", want, got)
		}
	}
}
