// Package chain asks several Providers in order until one has the secret.
//
// Which answer a caller gets, when stores fail in different ways, is policy:
//
//   - The links are asked in order and the first secret is the answer. A failure
//     of any class goes on to the next link, except a malformed Ref and the end
//     of the caller's own context, which end the search.
//   - A link with Front is a faster way to the next link without it, such as the
//     Lambda extension to Secrets Manager. What that store says overrules what
//     its fronts said, unless the store is absent or cannot honour the Ref. When
//     a front is throttled its store's other fronts are skipped. A Front with no
//     store after it is a store.
//   - When all fail, one failure decides the class of the error: the first outage
//     (throttled, unavailable, refused), because while a store is down nobody has
//     said no for all; else the first failure that is not ErrNotFound; else
//     ErrNotFound. ErrAbsent and then ErrUnsupported decide only if no link said
//     anything else.
//   - The secret is a Fallback when a store before the one that answered could
//     not be asked: throttled, unavailable, refused, our credential not accepted,
//     or unable to read afresh when that was wanted. A front's trouble counts
//     only where its store does not overrule it.
//   - A link's time limit is never mistaken for the caller's.
//
// Each call of a link is one log line and one Call for Options.OnCall; no value
// is in either.
package chain

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
)

const name = "chain"

// A Link is one Provider of a chain.
type Link struct {
	// Name says who answered, in Secret.Source, errors and log lines. It is
	// required, and differs from the names of the other links.
	Name string

	// Provider is asked, with a Ref that has no Field. Required.
	Provider hush.Provider

	// Timeout limits each call of the link. Zero leaves it to the provider's own
	// limit. See Chain.Get for what the caller's deadline does.
	Timeout time.Duration

	// Front says that the link only fronts for the next link without Front.
	Front bool
}

// Options are what a chain can do without. The zero value is the default.
type Options struct {
	// Logger gets one line for each call of a link, at the level that Call.Level
	// tells, and one more when all links failed: at Error, or at Info if the class
	// is ErrNotFound, or at Debug if it is ErrAbsent or ErrUnsupported or if the
	// caller cancelled. Nil: no log.
	Logger *zap.Logger

	// OnCall gets the facts of each call of a link, whatever their level, before
	// the next link is asked. It is called by the goroutine that called Get, so by
	// many at once, and Get waits for it. Nil: nobody is told.
	OnCall func(Call)
}

// A Chain is a Provider that asks its links in order. It starts no goroutine and
// has nothing to close.
type Chain struct {
	links  []link
	log    *zap.Logger
	onCall func(Call)
}

var _ hush.Provider = (*Chain)(nil)

// New returns a Chain over a copy of links. No links, a link without a Provider,
// and a Name that is empty or used twice are errors of the program: New panics. A
// nil o means the defaults.
func New(links []Link, o *Options) *Chain {
	if o == nil {
		o = &Options{}
	}
	check(links)
	c := &Chain{links: connect(links), log: o.Logger, onCall: o.OnCall}
	if c.log == nil {
		c.log = zap.NewNop()
	}
	return c
}

func check(links []Link) {
	if len(links) == 0 {
		panic("chain: New needs at least one link")
	}
	seen := make(map[string]bool, len(links))
	for i, l := range links {
		switch {
		case l.Name == "":
			panic(fmt.Sprintf("chain: link %d has no Name", i+1))
		case l.Provider == nil:
			panic(fmt.Sprintf("chain: link %d, %q, has no Provider", i+1, l.Name))
		case seen[l.Name]:
			panic(fmt.Sprintf("chain: two links are named %q", l.Name))
		}
		seen[l.Name] = true
	}
}

// Get returns the first link's secret, with the link's name as its Source. The
// Ref's Field is applied to the answer, so a missing field does not change which
// store answers.
//
// If ctx has a deadline, each link but the last gets at most its share of the
// time left (what is left over the number of links left), so that the last gets
// its turn. A Provider that is deaf to its context takes the others' shares;
// nothing waits for it in the background.
//
// An error is a *hush.Error with the class that decided, whose cause is a
// *Failure with every attempt. If ctx ends before all links have answered, the
// error wraps ctx.Err(), and its class is that of the link which was then being
// asked, if that link reported an outage, else ErrCanceled. What Ref.Validate
// refuses is ErrInvalidRef and reaches no link. A link's panic is the caller's.
func (c *Chain) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(name, ref, hush.ErrCanceled, err)
	}
	s := search{Chain: c, ref: whole(ref), watched: c.watched()}
	switch {
	case !s.run(ctx):
		return hush.Secret{}, s.fail(ref)
	case ref.Field == "":
		return s.answer, nil
	}
	return ref.Select(s.answer)
}

// whole returns what links are asked for: ref without its Field.
//
// NewerThan is kept where a cache below can compare versions. A secret without
// one is compared by its value, and the caller's is the value of the field, which
// differs from any whole one: that read must be fresh.
func whole(ref hush.Ref) hush.Ref {
	if than, _ := ref.Freshness(); than != nil && than.Version == "" && ref.Field != "" {
		ref = ref.Fresh()
	}
	ref.Field = ""
	return ref
}

// watched reports whether anybody wants the facts of a call. Which level a call's
// line will have is known only afterwards; Warn is the highest.
func (c *Chain) watched() bool {
	return c.onCall != nil || c.log.Core().Enabled(zapcore.WarnLevel)
}
