package chain_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// classes are those that let a chain go on.
var classes = []hush.Class{
	hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrThrottled,
	hush.ErrUnavailable, hush.ErrRefused, hush.ErrAbsent, hush.ErrUnsupported, hush.ErrRejected,
}

type said struct {
	class hush.Class
	front bool
}

// rule is the design's text, sentence by sentence, over what the links of a chain
// would say.
func rule(links []said) hush.Class {
	links = slices.Clone(links)
	// "A Front with no store after it is a store."
	for i := range links {
		links[i].front = links[i].front && slices.ContainsFunc(links[i:], func(s said) bool { return !s.front })
	}
	var valid []hush.Class
	throttled := false
	for i, link := range links {
		if !link.front {
			throttled = false
			valid = append(valid, link.class)
			continue
		}
		// "A throttled front: other fronts of the same store are skipped."
		if throttled {
			continue
		}
		throttled = link.class == hush.ErrThrottled
		// "Its failure never decides once that link has answered with anything but
		// ErrUnsupported or ErrAbsent."
		rest := links[i:]
		switch rest[slices.IndexFunc(rest, func(s said) bool { return !s.front })].class {
		case hush.ErrUnsupported, hush.ErrAbsent:
			valid = append(valid, link.class)
		}
	}
	return choose(valid)
}

func choose(valid []hush.Class) hush.Class {
	pick := func(want ...hush.Class) (hush.Class, bool) {
		i := slices.IndexFunc(valid, func(c hush.Class) bool { return slices.Contains(want, c) })
		if i < 0 {
			return 0, false
		}
		return valid[i], true
	}
	if c, ok := pick(hush.ErrThrottled, hush.ErrUnavailable, hush.ErrRefused); ok {
		return c
	}
	if c, ok := pick(hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrRejected); ok {
		return c
	}
	for _, c := range []hush.Class{hush.ErrNotFound, hush.ErrAbsent} {
		if _, ok := pick(c); ok {
			return c
		}
	}
	return hush.ErrUnsupported
}

func TestDecidingOverAllTriples(t *testing.T) {
	var all func(links []said, n int)
	count := 0
	all = func(links []said, n int) {
		if n == 0 {
			count++
			checkDecided(t, links, rule(links))
			return
		}
		for _, class := range classes {
			for _, front := range []bool{false, true} {
				all(append(slices.Clip(links), said{class, front}), n-1)
			}
		}
	}
	for n := 1; n <= 3; n++ {
		all(nil, n)
	}
	assert.Equal(t, 18+18*18+18*18*18, count)
}

// checkDecided asks a real chain, and checks that its error matches the class
// that decided and no other.
func checkDecided(t *testing.T, outcomes []said, want hush.Class) {
	t.Helper()
	var links []chain.Link
	for i, o := range outcomes {
		link := says(fmt.Sprint("link", i), o.class)
		link.Front = o.front
		links = append(links, link)
	}
	_, err := get(t, links...)
	if got := hush.ClassOf(err); got != want {
		t.Errorf("%v: got %v, want %v", outcomes, got, want)
		return
	}
	for _, class := range classes {
		if is := errors.Is(err, class); is != errors.Is(want, class) {
			t.Errorf("%v: errors.Is(err, %v) is %v", outcomes, class, is)
		}
	}
}

func TestDecidingGolden(t *testing.T) {
	const (
		notFound, denied, unauthenticated = hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated
		throttled, unavailable, refused   = hush.ErrThrottled, hush.ErrUnavailable, hush.ErrRefused
		absent, unsupported               = hush.ErrAbsent, hush.ErrUnsupported
	)
	f := func(c hush.Class) said { return said{c, true} }
	s := func(c hush.Class) said { return said{c, false} }
	for _, test := range []struct {
		links []said
		want  hush.Class
	}{
		{[]said{f(refused), s(notFound), s(notFound)}, notFound},
		{[]said{f(refused), s(unavailable), s(notFound)}, unavailable},
		{[]said{f(refused), s(denied), s(notFound)}, denied},
		{[]said{f(refused), s(absent), s(notFound)}, refused},
		{[]said{f(refused), s(unsupported), s(notFound)}, refused},
		{[]said{f(absent), s(absent), s(notFound)}, notFound},
		{[]said{f(absent), s(absent), s(absent)}, absent},
		{[]said{f(absent), s(unauthenticated), s(notFound)}, unauthenticated},
		{[]said{f(unsupported), s(notFound), s(unsupported)}, notFound},
		{[]said{s(unsupported), s(absent)}, absent},
		{[]said{s(unsupported), s(unsupported)}, unsupported},
		{[]said{f(unavailable), s(unauthenticated), s(notFound)}, unauthenticated},
		{[]said{s(notFound), s(denied), s(throttled)}, throttled},
		{[]said{s(denied), s(unauthenticated), s(notFound)}, denied},
		{[]said{s(unauthenticated), s(denied), s(notFound)}, unauthenticated},
		{[]said{s(refused), s(unavailable), s(throttled)}, refused},
		{[]said{f(unavailable), f(throttled), s(notFound)}, notFound},
		{[]said{f(throttled), f(unavailable), s(absent)}, throttled},
		{[]said{s(notFound), f(refused)}, refused},             // no store after it: a store
		{[]said{s(notFound), f(refused), f(denied)}, refused},  // both are stores
		{[]said{f(refused), s(notFound), f(absent)}, notFound}, // the last link has no store after it
	} {
		checkDecided(t, test.links, test.want)
		assert.Equal(t, test.want, rule(test.links), "the test's own rule")
	}
}

func TestFallbackMark(t *testing.T) {
	f := func(c hush.Class) said { return said{c, true} }
	s := func(c hush.Class) said { return said{c, false} }
	for _, test := range []struct {
		name   string
		before []said
		fresh  bool
		want   bool
	}{
		{"first link", nil, false, false},
		{"throttled", []said{s(hush.ErrThrottled)}, false, true},
		{"unavailable", []said{s(hush.ErrUnavailable)}, false, true},
		{"refused", []said{s(hush.ErrRefused)}, false, true},
		{"unauthenticated", []said{s(hush.ErrUnauthenticated)}, false, true},
		{"not found is an answer", []said{s(hush.ErrNotFound)}, false, false},
		{"denied is an answer", []said{s(hush.ErrDenied)}, false, false},
		{"absent is no outage", []said{s(hush.ErrAbsent)}, false, false},
		{"absent is none on a fresh read", []said{s(hush.ErrAbsent)}, true, false},
		{"unsupported", []said{s(hush.ErrUnsupported)}, false, false},
		{"unsupported on a fresh read", []said{s(hush.ErrUnsupported)}, true, true},
		{"a front's own store answers", []said{f(hush.ErrUnavailable)}, false, false},
		{"the same on a fresh read", []said{f(hush.ErrUnsupported)}, true, false},
		{"a front's store says no", []said{f(hush.ErrUnavailable), s(hush.ErrNotFound)}, false, false},
		{"a front's store is down too", []said{f(hush.ErrUnavailable), s(hush.ErrUnavailable)}, false, true},
		{"a front that was the only way", []said{f(hush.ErrUnavailable), s(hush.ErrAbsent)}, false, true},
		{"a front whose store says no, and another that is absent", []said{f(hush.ErrUnavailable), s(hush.ErrNotFound), s(hush.ErrAbsent)}, false, false},
		{"neither is here", []said{f(hush.ErrAbsent), s(hush.ErrAbsent)}, false, false},
		{"an outage further up", []said{s(hush.ErrUnavailable), s(hush.ErrNotFound)}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var links []chain.Link
			for i, o := range test.before {
				link := says(fmt.Sprint("link", i), o.class)
				link.Front = o.front
				links = append(links, link)
			}
			ref := hush.Name("db")
			if test.fresh {
				ref = ref.Fresh()
			}
			got, err := chain.New(append(links, says("last", 0)), nil).Get(t.Context(), ref)
			require.NoError(t, err)
			assert.Equal(t, test.want, got.FromFallback)
		})
	}
}

func TestFallbackMarkOfALinkIsKept(t *testing.T) {
	inner := does("inner", func(context.Context, hush.Ref) (hush.Secret, error) {
		return hush.Secret{FromFallback: true}, nil
	})
	for _, links := range [][]chain.Link{{inner}, {says("a", hush.ErrNotFound), inner}} {
		got, err := get(t, links...)
		require.NoError(t, err)
		assert.True(t, got.FromFallback)
	}
}
