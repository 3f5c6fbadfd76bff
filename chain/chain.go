// Package chain asks several Providers in order until one has the secret.
//
// Which answer a caller gets, when stores fail in different ways, is policy:
//
//   - The links are asked in order and the first secret is the answer. After a
//     failure a Policy says whether the next link is asked: always (AnyFailure, the
//     default), or only if the store could not answer (OutagesOnly). What is absent
//     or cannot honour the Ref is passed over by any Policy; a malformed Ref and
//     the end of the caller's own context end every search.
//   - A link with Front is a faster way to the next link without it, such as the
//     Lambda extension to Secrets Manager. What that store says overrules what
//     its fronts said, unless the store is absent or cannot honour the Ref. When
//     a front is throttled its store's other fronts are skipped. A front's failure
//     never ends the search. A Front with no store after it is a store.
//   - A link that fails again and again is left alone for a while by its Breaker.
//     One that is skipped counts as unavailable in all that follows.
//   - When all that were to be asked fail, one failure decides the class of the error: the first outage
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
// Each call of a link is one log line and one Call for Options.OnCall, and so is a
// link that is skipped; a breaker that opens or closes is a line more. No value is
// in any of them.
package chain

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
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

	// Policy, if set, is asked about this link's failures in place of
	// Options.Policy. A Front's failures go on whatever it says.
	Policy Policy
}

// Options are what a chain can do without. The zero value is the default.
type Options struct {
	// Policy says after which failures the next link is asked. Nil: AnyFailure.
	Policy Policy

	// Breaker says when a link that fails is left alone.
	Breaker Breaker

	// Logger gets one line for each call of a link, at the level that Call.Level
	// tells, one at Warn when a breaker opens or closes, and one more when the
	// search failed: at Error, or at Info if the class is ErrNotFound, or at Debug
	// if it is ErrAbsent or ErrUnsupported or if the caller cancelled. Nil: no log.
	Logger *zap.Logger

	// OnCall gets the facts of each call of a link, and of each link that is
	// skipped, whatever their level, before the next link is asked. It is called by
	// many goroutines at once, and Get waits for it. Nil: nobody is told.
	OnCall func(Call)

	// What the breakers read and how they shorten their waits; tests set them.
	now    clock.Func
	jitter func(most time.Duration) time.Duration
}

func (o Options) withDefaults() Options {
	if o.Policy == nil {
		o.Policy = AnyFailure
	}
	o.Breaker = o.Breaker.withDefaults()
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.now == nil {
		o.now = clock.New()
	}
	if o.jitter == nil {
		o.jitter = fullJitter
	}
	return o
}

// A Chain is a Provider that asks its links in order. A Get starts no goroutine, and
// the chain has nothing to close.
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
	check(links)
	var opt Options
	if o != nil {
		opt = *o
	}
	opt = opt.withDefaults()
	return &Chain{links: connect(links, opt), log: opt.Logger, onCall: opt.OnCall}
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
// its turn; a link that is skipped leaves its share to those after it. A Provider
// that is deaf to its context takes the others' shares; nothing waits for it in the
// background.
//
// An error is a *hush.Error with the class that decided, whose cause is a
// *Failure with every attempt. If ctx ends before the search has, the error wraps
// ctx.Err(), and its class is that of the link which was then being asked, if that
// link reported an outage, else ErrCanceled. If every link is skipped by its
// breaker the class is ErrUnavailable, and the text says how long until the next
// probe. What Ref.Validate refuses is ErrInvalidRef and reaches no link. A link's
// panic is the caller's.
func (c *Chain) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(name, ref, hush.ErrCanceled, err)
	}
	s := search{Chain: c, ref: whole(ref), watched: c.heard(zapcore.WarnLevel)}
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

// heard reports whether anybody wants the facts of a call whose line has level.
// Which one a call's will have is known only afterwards; Warn is the highest.
func (c *Chain) heard(level zapcore.Level) bool {
	return c.onCall != nil || c.log.Core().Enabled(level)
}
