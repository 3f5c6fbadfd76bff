package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
)

// This file gives the results to a real chain, instead of repeating the chain's rules.

// replayLink returns a link that returns the result of p.
func (p *probe) replayLink() chain.Link {
	get := func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		if p.err != nil {
			return hush.Secret{}, hush.NewError(p.store.Name, ref, p.class, errors.New(p.detail()))
		}
		return p.secret, nil
	}
	var policy chain.Policy
	if p.store.Policy == config.PolicyOutages {
		policy = chain.OutagesOnly
	}
	return chain.Link{Name: p.store.Name, Provider: hush.ProviderFunc(get), Front: p.store.Front != "", Policy: policy}
}

// What the chain does with a result.
const (
	chainReturns   = "return"   // the secret
	chainContinues = "next"     // with the next store
	chainFallsBack = "fallback" // continues, and marks the next store's secret
	chainSkips     = "front"    // continues, because only the store behind the front decides
	chainStops     = "stop"     // returns the failure
	chainEnds      = "end"      // there is no next store
)

// chainAction returns what the chain does with the result, depending on whether it
// calls a store that comes next.
func (p *probe) chainAction(ctx context.Context) string {
	called := false
	next := hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
		called = true
		return hush.Secret{}, nil
	})
	links := []chain.Link{p.replayLink(), {Name: p.store.Name + " next", Provider: next}}
	secret, _ := chain.New(links, nil).Get(ctx, hush.Name(probeName))
	switch {
	case p.err == nil:
		return chainReturns
	case p.last:
		return chainEnds
	case !called:
		return chainStops
	case p.store.Front != "":
		return chainSkips
	case secret.FromFallback:
		return chainFallsBack
	}
	return chainContinues
}

// overall is the result of all stores together.
type overall struct {
	class    hush.Class // zero if there is a secret
	source   string     // the store that has the secret
	fallback bool
	problem  string // why the secret that was found is not enough, such as a missing field
}

// replay returns the result of a chain of all stores.
func replay(ctx context.Context, probes []*probe, ref hush.Ref) overall {
	links := make([]chain.Link, len(probes))
	for i, p := range probes {
		links[i] = p.replayLink()
	}
	secret, err := chain.New(links, nil).Get(ctx, ref)
	if err == nil {
		return overall{source: secret.Source, fallback: secret.FromFallback}
	}
	o := overall{class: hush.ClassOf(err)}
	_, exhausted := errors.AsType[*chain.Failure](err)
	if e, ok := errors.AsType[*hush.Error](err); ok && !exhausted {
		o.problem = hush.NewError(e.Provider, hush.Ref{}, e.Class, e.Err).Error()
	}
	return o
}

func (o overall) String() string {
	switch {
	case o.problem != "":
		return o.problem
	case o.class != 0:
		return o.class.Error()
	case o.fallback:
		return fmt.Sprintf("%s has the secret, as a fallback for a store that failed", o.source)
	}
	return o.source + " has the secret"
}
