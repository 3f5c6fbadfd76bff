package chain_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/providertest"
)

// goesOn reports whether a chain asks the last link after those before it.
func goesOn(t *testing.T, o *chain.Options, before ...chain.Link) (bool, error) {
	t.Helper()
	got, err := chain.New(append(before, says("last", 0)), o).Get(t.Context(), hush.Name("db"))
	if err == nil {
		assert.Equal(t, "last", got.Source)
	}
	return err == nil, err
}

func never(hush.Class) bool { return false }

func under(p chain.Policy, l chain.Link) chain.Link {
	l.Policy = p
	return l
}

func TestPolicies(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy chain.Policy
		ends   []hush.Class // of those that let a chain go on
	}{
		{"default", nil, nil},
		{"AnyFailure", chain.AnyFailure, nil},
		{
			"OutagesOnly", chain.OutagesOnly,
			[]hush.Class{hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrRefused, hush.ErrRejected},
		},
		{
			"one's own", func(c hush.Class) bool { return c != hush.ErrThrottled },
			[]hush.Class{hush.ErrThrottled},
		},
		{
			"none goes on", never,
			[]hush.Class{
				hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrThrottled,
				hush.ErrUnavailable, hush.ErrRefused, hush.ErrRejected,
			},
		},
	} {
		for _, class := range classes {
			name := fmt.Sprintf("%s, %v", test.name, class)
			want := true
			for _, c := range test.ends {
				want = want && c != class
			}
			went, err := goesOn(t, &chain.Options{Policy: test.policy}, says("store", class))
			assert.Equal(t, want, went, name)
			if !want {
				assert.Equal(t, class, hush.ClassOf(err), name)
			}

			went, _ = goesOn(t, nil, under(test.policy, says("store", class)))
			assert.Equal(t, want, went, "%s: of the link", name)

			went, _ = goesOn(t, &chain.Options{Policy: test.policy}, front(says("front", class)))
			assert.True(t, went, "%s: a front's failure never ends the search", name)
			went, _ = goesOn(t, nil, under(test.policy, front(says("front", class))))
			assert.True(t, went, "%s: whatever its own policy", name)
		}
	}
}

func TestThePolicyOfALinkWins(t *testing.T) {
	strict, lax := &chain.Options{Policy: chain.OutagesOnly}, &chain.Options{Policy: chain.AnyFailure}

	went, _ := goesOn(t, strict, under(chain.AnyFailure, says("a", hush.ErrNotFound)))
	assert.True(t, went)
	went, _ = goesOn(t, strict, under(chain.AnyFailure, says("a", hush.ErrNotFound)), says("b", hush.ErrDenied))
	assert.False(t, went, "it holds for the failure of that link alone")
	went, _ = goesOn(t, lax, under(chain.OutagesOnly, says("a", hush.ErrNotFound)))
	assert.False(t, went)
	went, _ = goesOn(t, lax, under(chain.OutagesOnly, says("a", hush.ErrUnavailable)), says("b", hush.ErrNotFound))
	assert.True(t, went)
}

func TestAFrontWithoutAStoreHasAPolicy(t *testing.T) {
	c := chain.New([]chain.Link{says("a", hush.ErrNotFound), front(says("b", hush.ErrNotFound)), front(says("c", 0))},
		&chain.Options{Policy: chain.OutagesOnly})
	_, err := c.Get(t.Context(), hush.Name("db"))
	assert.EqualError(t, err, `chain: "db": not found: a: not found`)

	c = chain.New([]chain.Link{says("a", hush.ErrAbsent), front(says("b", hush.ErrDenied)), front(says("c", 0))},
		&chain.Options{Policy: chain.OutagesOnly})
	_, err = c.Get(t.Context(), hush.Name("db"))
	assert.EqualError(t, err, `chain: "db": denied: a: absent; b: denied`)
}

// The links after the one that ended the search have no part in what decides.
func TestDecidingWhenAPolicyEndedTheSearch(t *testing.T) {
	f := func(c hush.Class) said { return said{c, true} }
	s := func(c hush.Class) said { return said{c, false} }
	for _, test := range []struct {
		links []said
		want  hush.Class
	}{
		{[]said{s(hush.ErrUnavailable), s(hush.ErrNotFound)}, hush.ErrUnavailable},
		{[]said{s(hush.ErrThrottled), s(hush.ErrDenied)}, hush.ErrThrottled},
		{[]said{f(hush.ErrRefused), s(hush.ErrNotFound)}, hush.ErrNotFound},
		{[]said{f(hush.ErrThrottled), f(hush.ErrDenied), s(hush.ErrNotFound)}, hush.ErrNotFound},
		{[]said{f(hush.ErrRefused), s(hush.ErrAbsent), s(hush.ErrNotFound)}, hush.ErrRefused},
		{[]said{s(hush.ErrAbsent), s(hush.ErrUnauthenticated)}, hush.ErrUnauthenticated},
		{[]said{s(hush.ErrUnsupported), s(hush.ErrRefused)}, hush.ErrRefused},
	} {
		var links []chain.Link
		for i, o := range test.links {
			link := says(fmt.Sprint("link", i), o.class)
			link.Front = o.front
			links = append(links, link)
		}
		for _, after := range []hush.Class{0, hush.ErrUnavailable, hush.ErrDenied} {
			c := chain.New(append(links, says("after", after)), &chain.Options{Policy: chain.OutagesOnly})
			_, err := c.Get(t.Context(), hush.Name("db"))
			assert.Equal(t, test.want, hush.ClassOf(err), "%v", test.links)
			assert.NotContains(t, err.Error(), "after")
		}
	}
}

func TestThePolicyIsAskedWhereThereIsAChoice(t *testing.T) {
	var asked []hush.Class
	policy := func(c hush.Class) bool {
		asked = append(asked, c)
		return true
	}
	links := []chain.Link{
		front(says("a", hush.ErrDenied)), says("b", hush.ErrAbsent), says("c", hush.ErrUnsupported),
		says("d", hush.ErrRefused), says("e", hush.ErrInvalidRef), says("f", 0),
	}
	_, err := chain.New(links, &chain.Options{Policy: policy}).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err), "no policy goes on from a malformed Ref")
	assert.Equal(t, []hush.Class{hush.ErrRefused}, asked)

	ctx, cancel := context.WithCancel(t.Context())
	c := chain.New([]chain.Link{cuts(cancel, hush.ErrCanceled, context.Canceled), says("b", 0)}, &chain.Options{Policy: policy})
	_, err = c.Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err), "nor from the caller's end")
	assert.Len(t, asked, 1)
}

// No other link would have been called, so the end of the caller's context changed nothing.
func TestTheCallersEndAfterAPolicyEndedTheSearch(t *testing.T) {
	var after providertest.Map
	for policy, want := range map[string]hush.Class{"OutagesOnly": hush.ErrNotFound, "AnyFailure": hush.ErrCanceled} {
		ctx, cancel := context.WithCancel(t.Context())
		o := &chain.Options{}
		if policy == "OutagesOnly" {
			o.Policy = chain.OutagesOnly
		}
		c := chain.New([]chain.Link{cuts(cancel, hush.ErrNotFound, nil), {Name: "after", Provider: &after}}, o)
		_, err := c.Get(ctx, hush.Name("db"))
		require.Error(t, err)
		assert.Equal(t, want, hush.ClassOf(err), policy)
		assert.Empty(t, after.Calls())
	}
}
