package chain_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/providertest"
)

// continues reports whether a chain calls the last link after those before it.
func continues(t *testing.T, before ...chain.Link) (bool, error) {
	t.Helper()
	got, err := chain.New(append(before, returns("last", 0)), nil).Get(t.Context(), hush.Name("db"))
	if err == nil {
		assert.Equal(t, "last", got.Source)
	}
	return err == nil, err
}

func never(hush.Class) bool { return false }

// withPolicy returns links with policy as the Policy of each.
func withPolicy(policy chain.Policy, links ...chain.Link) []chain.Link {
	links = slices.Clone(links)
	for i := range links {
		links[i].Policy = policy
	}
	return links
}

func TestPolicies(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy chain.Policy
		ends   []hush.Class // that end the lookup, of classes
	}{
		{"default", nil, nil},
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
			t.Run(fmt.Sprintf("%s, %v", test.name, class), func(t *testing.T) {
				want := !slices.Contains(test.ends, class)
				got, err := continues(t, withPolicy(test.policy, returns("store", class))...)
				assert.Equal(t, want, got)
				if !want {
					assert.Equal(t, class, hush.ClassOf(err))
				}
				got, _ = continues(t, withPolicy(test.policy, front(returns("front", class)))...)
				assert.True(t, got, "a front's failure never ends the lookup")
			})
		}
	}
}

func TestPolicyAppliesToItsOwnLinkOnly(t *testing.T) {
	strict := withPolicy(chain.OutagesOnly, returns("a", hush.ErrUnavailable))[0]
	ok, _ := continues(t, strict, returns("b", hush.ErrNotFound))
	assert.True(t, ok)
	ok, _ = continues(t, returns("b", hush.ErrNotFound), withPolicy(chain.OutagesOnly, returns("a", hush.ErrNotFound))[0])
	assert.False(t, ok)
}

func TestFrontWithoutStoreUsesPolicy(t *testing.T) {
	c := chain.New(withPolicy(chain.OutagesOnly, returns("a", hush.ErrNotFound), front(returns("b", hush.ErrNotFound)), front(returns("c", 0))), nil)
	_, err := c.Get(t.Context(), hush.Name("db"))
	assert.EqualError(t, err, `chain: "db": not found: a: not found`)

	c = chain.New(withPolicy(chain.OutagesOnly, returns("a", hush.ErrAbsent), front(returns("b", hush.ErrDenied)), front(returns("c", 0))), nil)
	_, err = c.Get(t.Context(), hush.Name("db"))
	assert.EqualError(t, err, `chain: "db": denied: a: absent; b: denied`)
}

// The links after the one that ended the lookup do not decide.
func TestDecidingClassAfterPolicyEndedLookup(t *testing.T) {
	f := func(c hush.Class) linkResult { return linkResult{c, true} }
	s := func(c hush.Class) linkResult { return linkResult{c, false} }
	for _, test := range []struct {
		links []linkResult
		want  hush.Class
	}{
		{[]linkResult{s(hush.ErrUnavailable), s(hush.ErrNotFound)}, hush.ErrUnavailable},
		{[]linkResult{s(hush.ErrThrottled), s(hush.ErrDenied)}, hush.ErrThrottled},
		{[]linkResult{f(hush.ErrRefused), s(hush.ErrNotFound)}, hush.ErrNotFound},
		{[]linkResult{f(hush.ErrThrottled), f(hush.ErrDenied), s(hush.ErrNotFound)}, hush.ErrNotFound},
		{[]linkResult{f(hush.ErrRefused), s(hush.ErrAbsent), s(hush.ErrNotFound)}, hush.ErrRefused},
		{[]linkResult{s(hush.ErrAbsent), s(hush.ErrUnauthenticated)}, hush.ErrUnauthenticated},
		{[]linkResult{s(hush.ErrUnsupported), s(hush.ErrRefused)}, hush.ErrRefused},
	} {
		t.Run(fmt.Sprint(test.links), func(t *testing.T) {
			var links []chain.Link
			for i, o := range test.links {
				link := returns(fmt.Sprint("link", i), o.class)
				link.Front = o.front
				links = append(links, link)
			}
			for _, after := range []hush.Class{0, hush.ErrUnavailable, hush.ErrDenied} {
				c := chain.New(withPolicy(chain.OutagesOnly, append(links, returns("after", after))...), nil)
				_, err := c.Get(t.Context(), hush.Name("db"))
				assert.Equal(t, test.want, hush.ClassOf(err), "%v", test.links)
				assert.NotContains(t, err.Error(), "after")
			}
		})
	}
}

func TestPolicyIsCalledOnlyIfItDecides(t *testing.T) {
	var asked []hush.Class
	policy := func(c hush.Class) bool {
		asked = append(asked, c)
		return true
	}
	links := []chain.Link{
		front(returns("a", hush.ErrDenied)), returns("b", hush.ErrAbsent), returns("c", hush.ErrUnsupported),
		returns("d", hush.ErrRefused), returns("e", hush.ErrInvalidRef), returns("f", 0),
	}
	_, err := chain.New(withPolicy(policy, links...), nil).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err), "no policy goes on from a malformed Ref")
	assert.Equal(t, []hush.Class{hush.ErrRefused}, asked)

	ctx, cancel := context.WithCancel(t.Context())
	c := chain.New(withPolicy(policy, cuts(cancel, hush.ErrCanceled, context.Canceled), returns("b", 0)), nil)
	_, err = c.Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err), "nor from the caller's end")
	assert.Len(t, asked, 1)
}

// The policy has ended the lookup, so the end of the caller's context changes nothing.
func TestCallersContextEndsAfterPolicyEndedLookup(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy chain.Policy
		want   hush.Class
	}{
		{"OutagesOnly", chain.OutagesOnly, hush.ErrNotFound},
		{"no policy", nil, hush.ErrCanceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			var after providertest.Map
			ctx, cancel := context.WithCancel(t.Context())
			links := []chain.Link{cuts(cancel, hush.ErrNotFound, nil), {Name: "after", Provider: &after}}
			_, err := chain.New(withPolicy(test.policy, links...), nil).Get(ctx, hush.Name("db"))
			require.Error(t, err)
			assert.Equal(t, test.want, hush.ClassOf(err))
			assert.Empty(t, after.Calls())
		})
	}
}
