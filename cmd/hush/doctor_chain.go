package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
)

// What a chain does with an answer is not told from its rules but from a chain that
// is given the answer again.

// again returns a link that answers as p did.
func (p *probe) again() chain.Link {
	answer := func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		if p.err != nil {
			return hush.Secret{}, hush.NewError(p.link.Name, ref, p.class, errors.New(p.detail()))
		}
		return p.secret, nil
	}
	policy := chain.AnyFailure
	if p.link.Policy == config.PolicyOutages {
		policy = chain.OutagesOnly
	}
	return chain.Link{Name: p.link.Name, Provider: hush.ProviderFunc(answer), Front: p.link.Front != "", Policy: policy}
}

// What a chain does with an answer.
const (
	chainAnswers   = "answer"
	chainGoesOn    = "next"
	chainFallsBack = "fallback"
	chainFronts    = "front"
	chainStops     = "stop"
	chainEnds      = "end"
)

// chainDoes says what a chain does with the answer of p, by what becomes of a store
// that comes after it.
func (p *probe) chainDoes(ctx context.Context) string {
	asked := false
	after := hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
		asked = true
		return hush.Secret{}, nil
	})
	links := []chain.Link{p.again(), {Name: p.link.Name + ", and what comes after it", Provider: after}}
	secret, _ := chain.New(links, nil).Get(ctx, hush.Name(harmless))
	switch {
	case p.err == nil:
		return chainAnswers
	case p.last:
		return chainEnds
	case !asked:
		return chainStops
	case p.link.Front != "":
		return chainFronts
	case secret.FromFallback:
		return chainFallsBack
	}
	return chainGoesOn
}

// An outcome is what the stores say together.
type outcome struct {
	class    hush.Class // 0: a secret
	lacks    string     // if the secret is there, and what REF wants of it is not
	by       string     // who has it
	fallback bool
}

// replay asks the chain of all links for the answers that they gave.
func replay(ctx context.Context, probes []*probe, ref hush.Ref) outcome {
	links := make([]chain.Link, len(probes))
	for i, p := range probes {
		links[i] = p.again()
	}
	secret, err := chain.New(links, nil).Get(ctx, ref)
	if err != nil {
		return outcome{class: hush.ClassOf(err), lacks: lacks(err)}
	}
	return outcome{by: secret.Source, fallback: secret.FromFallback}
}

// lacks returns what a secret lacks that a chain has found, in words that quote none
// of it; nothing, if it has found none.
func lacks(err error) string {
	e, ok := errors.AsType[*hush.Error](err)
	if _, unfound := errors.AsType[*chain.Failure](err); unfound || !ok {
		return ""
	}
	return hush.NewError(e.Provider, hush.Ref{}, e.Class, e.Err).Error()
}

// answer says what the stores answer together.
func (o outcome) answer() string {
	if o.class != 0 {
		return o.class.Error()
	}
	return "a secret"
}

// String says it in a line.
func (o outcome) String() string {
	switch {
	case o.lacks != "":
		return o.lacks
	case o.class != 0:
		return o.class.Error()
	case o.fallback:
		return fmt.Sprintf("%s has it, as a fallback for a store that cannot be asked", o.by)
	}
	return o.by + " has it"
}
