package chain_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// With last-resort calls, the result is that of a lookup without breakers.
func TestResultOfLastResortCalls(t *testing.T) {
	const notFound, denied, absent, invalid = hush.ErrNotFound, hush.ErrDenied, hush.ErrAbsent, hush.ErrInvalidRef
	// held is a link that fails until its breaker has opened, and then returns another result.
	held := func(name string, then hush.Class) chain.Link {
		failures := 0
		return linkFunc(name, func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			if failures++; failures <= 5 {
				return hush.Secret{}, hush.NewError("store", ref, down, nil)
			}
			return returns(name, then).Provider.Get(ctx, ref)
		})
	}
	for _, test := range []struct {
		name     string
		links    []chain.Link
		policy   chain.Policy
		want     hush.Class
		source   string
		fallback bool
		called   []string
	}{
		{"another link has it", []chain.Link{held("a", 0), returns("b", 0)}, nil, 0, "b", true, []string{"b"}},
		{"no other has it", []chain.Link{held("a", 0), returns("b", notFound)}, nil, 0, "a", false, []string{"b", "a"}},
		{"a store after it is down", []chain.Link{held("a", 0), returns("b", hush.ErrThrottled)}, nil, 0, "a", false, []string{"b", "a"}},
		{"a store before it is down", []chain.Link{returns("a", hush.ErrThrottled), held("b", 0), returns("c", notFound)}, nil, 0, "b", true, []string{"a", "c", "b"}},
		{"a store before it has responded to a last-resort call", []chain.Link{held("a", notFound), held("b", 0)}, nil, 0, "b", false, []string{"a", "b"}},
		{"a store before it is still down", []chain.Link{held("a", down), held("b", 0)}, nil, 0, "b", true, []string{"a", "b"}},
		{"in order, until one has it", []chain.Link{held("a", 0), held("b", 0), returns("c", denied)}, nil, 0, "a", false, []string{"c", "a"}},
		{"a front, whose store fails", []chain.Link{front(held("a", 0)), returns("b", hush.ErrUnauthenticated)}, nil, 0, "a", false, []string{"b", "a"}},
		{"a front of a throttled store", []chain.Link{front(held("a", 0)), front(returns("b", hush.ErrThrottled)), returns("c", notFound)}, nil, notFound, "", false, []string{"b", "c"}},
		{"an invalid Ref ends the lookup", []chain.Link{held("a", invalid), held("b", 0), returns("c", notFound)}, nil, invalid, "", false, []string{"c", "a"}},
		{"for a front, too", []chain.Link{front(held("a", invalid)), returns("b", notFound)}, nil, invalid, "", false, []string{"b", "a"}},
		{"nothing after an invalid Ref", []chain.Link{held("a", 0), returns("b", invalid)}, nil, invalid, "", false, []string{"b"}},
		{"its policy ends the lookup", []chain.Link{held("a", denied), held("b", 0), returns("c", hush.ErrThrottled)}, chain.OutagesOnly, denied, "", false, []string{"c", "a"}},
		{"its policy lets the lookup continue", []chain.Link{held("a", absent), held("b", 0), returns("c", notFound)}, chain.OutagesOnly, 0, "b", false, []string{"c", "a", "b"}},
		{"the policy allows no other link", []chain.Link{held("a", 0), returns("b", 0)}, never, 0, "a", false, []string{"a"}},
		{"until it has responded", []chain.Link{held("a", absent), returns("b", notFound), returns("c", 0)}, never, notFound, "", false, []string{"a", "b"}},
		{"all fail", []chain.Link{returns("a", notFound), held("b", denied)}, nil, denied, "", false, []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := longWait()
			var called []string
			o.OnCall = func(_ context.Context, c chain.Call) {
				if !c.Skipped && !c.Unresolved {
					called = append(called, c.Provider)
				}
			}
			c := chain.New(withPolicy(test.policy, test.links...), o)
			for range 5 {
				_, _ = c.Get(t.Context(), hush.Name("db"))
			}
			called = nil
			got, err := c.Get(t.Context(), hush.Name("db"))
			assert.Equal(t, test.want, hush.ClassOf(err), "%v", err)
			assert.Equal(t, test.source, got.Source)
			assert.Equal(t, test.fallback, got.FromFallback)
			assert.Equal(t, test.called, called)
		})
	}
}
