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

// classes are those after which a lookup continues.
var classes = []hush.Class{
	hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrThrottled,
	hush.ErrUnavailable, hush.ErrRefused, hush.ErrAbsent, hush.ErrUnsupported, hush.ErrRejected,
}

type linkResult struct {
	class hush.Class
	front bool
}

// expectedClass implements the rules of the package comment, sentence by sentence.
func expectedClass(links []linkResult) hush.Class {
	links = slices.Clone(links)
	// "A Front with no store after it is a store."
	for i := range links {
		links[i].front = links[i].front && slices.ContainsFunc(links[i:], func(s linkResult) bool { return !s.front })
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
		switch rest[slices.IndexFunc(rest, func(s linkResult) bool { return !s.front })].class {
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

func TestDecidingClassOverAllTriples(t *testing.T) {
	var all func(links []linkResult, n int)
	count := 0
	all = func(links []linkResult, n int) {
		if n == 0 {
			count++
			assertDecides(t, links, expectedClass(links))
			return
		}
		for _, class := range classes {
			for _, front := range []bool{false, true} {
				all(append(slices.Clip(links), linkResult{class, front}), n-1)
			}
		}
	}
	for n := 1; n <= 3; n++ {
		all(nil, n)
	}
	assert.Equal(t, 18+18*18+18*18*18, count)
}

// assertDecides checks that the error of a chain matches only the class that decides.
func assertDecides(t *testing.T, outcomes []linkResult, want hush.Class) {
	t.Helper()
	var links []chain.Link
	for i, o := range outcomes {
		link := returns(fmt.Sprint("link", i), o.class)
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

func TestDecidingClassExamples(t *testing.T) {
	const (
		notFound, denied, unauthenticated = hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated
		throttled, unavailable, refused   = hush.ErrThrottled, hush.ErrUnavailable, hush.ErrRefused
		absent, unsupported               = hush.ErrAbsent, hush.ErrUnsupported
	)
	f := func(c hush.Class) linkResult { return linkResult{c, true} }
	s := func(c hush.Class) linkResult { return linkResult{c, false} }
	for _, test := range []struct {
		links []linkResult
		want  hush.Class
	}{
		{[]linkResult{f(refused), s(notFound), s(notFound)}, notFound},
		{[]linkResult{f(refused), s(unavailable), s(notFound)}, unavailable},
		{[]linkResult{f(refused), s(denied), s(notFound)}, denied},
		{[]linkResult{f(refused), s(absent), s(notFound)}, refused},
		{[]linkResult{f(refused), s(unsupported), s(notFound)}, refused},
		{[]linkResult{f(absent), s(absent), s(notFound)}, notFound},
		{[]linkResult{f(absent), s(absent), s(absent)}, absent},
		{[]linkResult{f(absent), s(unauthenticated), s(notFound)}, unauthenticated},
		{[]linkResult{f(unsupported), s(notFound), s(unsupported)}, notFound},
		{[]linkResult{s(unsupported), s(absent)}, absent},
		{[]linkResult{s(unsupported), s(unsupported)}, unsupported},
		{[]linkResult{f(unavailable), s(unauthenticated), s(notFound)}, unauthenticated},
		{[]linkResult{s(notFound), s(denied), s(throttled)}, throttled},
		{[]linkResult{s(denied), s(unauthenticated), s(notFound)}, denied},
		{[]linkResult{s(unauthenticated), s(denied), s(notFound)}, unauthenticated},
		{[]linkResult{s(refused), s(unavailable), s(throttled)}, refused},
		{[]linkResult{f(unavailable), f(throttled), s(notFound)}, notFound},
		{[]linkResult{f(throttled), f(unavailable), s(absent)}, throttled},
		{[]linkResult{s(notFound), f(refused)}, refused},             // no store after it: a store
		{[]linkResult{s(notFound), f(refused), f(denied)}, refused},  // both are stores
		{[]linkResult{f(refused), s(notFound), f(absent)}, notFound}, // the last link has no store after it
	} {
		t.Run(fmt.Sprint(test.links), func(t *testing.T) {
			assertDecides(t, test.links, test.want)
			assert.Equal(t, test.want, expectedClass(test.links), "the test's own rule")
		})
	}
}

func TestFromFallback(t *testing.T) {
	f := func(c hush.Class) linkResult { return linkResult{c, true} }
	s := func(c hush.Class) linkResult { return linkResult{c, false} }
	for _, test := range []struct {
		name   string
		before []linkResult
		fresh  bool
		want   bool
	}{
		{"first link", nil, false, false},
		{"throttled", []linkResult{s(hush.ErrThrottled)}, false, true},
		{"unavailable", []linkResult{s(hush.ErrUnavailable)}, false, true},
		{"refused", []linkResult{s(hush.ErrRefused)}, false, true},
		{"unauthenticated", []linkResult{s(hush.ErrUnauthenticated)}, false, true},
		{"not found is a response", []linkResult{s(hush.ErrNotFound)}, false, false},
		{"denied is a response", []linkResult{s(hush.ErrDenied)}, false, false},
		{"absent is not an outage", []linkResult{s(hush.ErrAbsent)}, false, false},
		{"absent is not an outage on a fresh read", []linkResult{s(hush.ErrAbsent)}, true, false},
		{"unsupported", []linkResult{s(hush.ErrUnsupported)}, false, false},
		{"unsupported on a fresh read", []linkResult{s(hush.ErrUnsupported)}, true, true},
		{"a front's own store responds", []linkResult{f(hush.ErrUnavailable)}, false, false},
		{"the same on a fresh read", []linkResult{f(hush.ErrUnsupported)}, true, false},
		{"a front's store has no secret", []linkResult{f(hush.ErrUnavailable), s(hush.ErrNotFound)}, false, false},
		{"a front's store is down too", []linkResult{f(hush.ErrUnavailable), s(hush.ErrUnavailable)}, false, true},
		{"a front that was the only way", []linkResult{f(hush.ErrUnavailable), s(hush.ErrAbsent)}, false, true},
		{"a front whose store has no secret, and another that is absent", []linkResult{f(hush.ErrUnavailable), s(hush.ErrNotFound), s(hush.ErrAbsent)}, false, false},
		{"neither is here", []linkResult{f(hush.ErrAbsent), s(hush.ErrAbsent)}, false, false},
		{"an outage further up", []linkResult{s(hush.ErrUnavailable), s(hush.ErrNotFound)}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var links []chain.Link
			for i, o := range test.before {
				link := returns(fmt.Sprint("link", i), o.class)
				link.Front = o.front
				links = append(links, link)
			}
			ref := hush.Name("db")
			if test.fresh {
				ref = ref.Fresh()
			}
			got, err := chain.New(append(links, returns("last", 0)), nil).Get(t.Context(), ref)
			require.NoError(t, err)
			assert.Equal(t, test.want, got.FromFallback)
		})
	}
}

func TestFromFallbackOfLinkIsKept(t *testing.T) {
	inner := linkFunc("inner", func(context.Context, hush.Ref) (hush.Secret, error) {
		return hush.Secret{FromFallback: true}, nil
	})
	for _, links := range [][]chain.Link{{inner}, {returns("a", hush.ErrNotFound), inner}} {
		got, err := get(t, links...)
		require.NoError(t, err)
		assert.True(t, got.FromFallback)
	}
}
