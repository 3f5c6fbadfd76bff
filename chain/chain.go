// Package chain calls several Providers in order until one returns the secret.
//
// A policy decides which result a caller gets if stores fail in different ways:
//
//   - The chain calls the links in order and returns the first secret. After a failure
//     a Policy says whether the chain calls the next link: always (AnyFailure, the
//     default), or only if the store could not respond (OutagesOnly). The search
//     continues after ErrAbsent and ErrUnsupported under any Policy. It ends at an
//     invalid Ref and when the caller's context ends.
//   - A link with Front is a faster way to the next link without Front, such as the
//     Lambda extension to Secrets Manager. The response of that store overrules the
//     failures of its fronts, unless the store is absent or does not support the Ref.
//     If a front is throttled, the chain skips the store's other fronts. A front's
//     failure never ends the search. A Front with no store after it is a store.
//   - A Breaker holds back a link that keeps failing. The chain passes over the link and
//     treats it as unavailable. If no other link returns the secret, the chain calls the
//     links that were held back after all, in order, before it returns the error.
//   - If every link fails, the first outage (throttled, unavailable, refused) decides the
//     class of the error, because the store that is down may have the secret. Without an
//     outage, the first failure that is not ErrNotFound decides, then ErrNotFound.
//     ErrAbsent and then ErrUnsupported decide only if no link failed otherwise. If a
//     link that was called after all ends the search, the links after it do not decide.
//   - The secret is a Fallback if a store before the link that returned it could not be
//     asked: it was throttled, unavailable or refused the call, it did not accept our
//     credential, or it does not support the fresh read that the caller wanted. The
//     failure of a front counts only if its store does not overrule it.
//   - A limit of a link or of the chain never looks like the caller's deadline. The same
//     holds for a context that ends with a *hush.Error as its cause, such as that of a
//     fetch at the FetchTimeout of cachettl: this is ErrUnavailable.
//
// Each call of a link is one log line and one Call for Options.OnCall, and so is a link
// that is skipped, and a search that ends without the secret. A breaker that opens or
// closes is another line. No line contains the value of a secret.
package chain

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.uber.org/zap"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

const name = "chain"

// A Link is one Provider of a chain.
type Link struct {
	// Name names the link in Secret.Source, errors and log lines. It is required, and
	// differs from the names of the other links.
	Name string

	// Provider is called with a Ref that has no Field. It is required.
	Provider hush.Provider

	// Timeout limits each call of the link, including the wait of a call that the
	// link's breaker holds back. Zero means the provider's own limit. Chain.Get says
	// what the caller's deadline does.
	Timeout time.Duration

	// Front means that the link is a front of the next link without Front.
	Front bool

	// Policy decides about this link's failures. Nil means Options.Policy. The search
	// continues after the failure of a Front, whatever its Policy says.
	Policy Policy
}

// Options are optional settings of a chain. The zero value is the default.
type Options struct {
	// Policy says after which failures the chain calls the next link. Nil means
	// AnyFailure.
	Policy Policy

	// Breaker says when the chain stops calling a link that keeps failing.
	Breaker Breaker

	// Logger gets a line for each Call, at the Call's Level, and a line at Warn when a
	// breaker opens or closes. Nil means no log.
	Logger *zap.Logger

	// OnCall gets each Call, whatever its level, before the chain calls the next link.
	// ctx is the context of the Get, so that a tracer finds its parent span. Many
	// goroutines call OnCall at the same time, and Get waits for it. A panic in OnCall
	// is a panic of Get. Nil means no such function. SlogCalls returns one for log/slog.
	OnCall func(ctx context.Context, call Call)

	// The clocks of the breakers and the jitter of their waits, for tests.
	now    clock.Func
	jitter func(most time.Duration) time.Duration
}

func (o Options) withDefaults() Options {
	if o.Policy == nil {
		o.Policy = AnyFailure
	}
	o.Breaker = o.Breaker.withDefaults()
	if o.now == nil {
		o.now = clock.New()
	}
	if o.jitter == nil {
		o.jitter = fullJitter
	}
	return o
}

// A Chain is a Provider that calls its links in order. Get starts no goroutine, and a
// Chain needs no Close.
type Chain struct {
	links     []link
	log       lineWriter                  // nil: no log
	onCall    func(context.Context, Call) // may be nil
	start     time.Time                   // when New made the chain
	gathering *gathering                  // of the searches of a batch; nil for a Get by itself
}

var _ hush.Provider = (*Chain)(nil)

// New returns a Chain over a copy of links. Nil opts mean the defaults. New panics if
// there are no links, if a link has no Provider, or if a Name is empty or used twice.
func New(links []Link, opts *Options) *Chain {
	check(links)
	var o Options
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	c := &Chain{links: connect(links, o), onCall: o.OnCall, start: time.Now()}
	if o.Logger != nil {
		c.log = zapWriter{o.Logger}
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

// Get returns the first secret that a link returns, with the link's name as its Source.
// Get applies the Ref's Field to this secret, so that a missing field does not change
// which store serves it.
//
// If ctx has a deadline, each link but the last gets at most its share of the time left,
// which is the time left divided by the number of links left, so that the last link gets
// its turn. A link that is passed over leaves its share to the others. A Provider that
// ignores its context uses up the shares of the others; no goroutine waits for it.
//
// An error is a *hush.Error with the class that decided. Its cause is a *Failure with
// every attempt. If ctx ends before the search, the error wraps ctx.Err(), and its class
// is that of the link that was called last if this link reported an outage, otherwise
// ErrCanceled. If the cause of ctx is a *hush.Error, the error wraps no context error,
// and its class is an outage. A Ref that Ref.Validate refuses is ErrInvalidRef and reaches no
// link. A panic of a link is a panic of Get.
func (c *Chain) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if end := endOf(ctx); end != nil {
		return hush.Secret{}, hush.NewError(name, ref, classOfEnd(end), end)
	}
	first := &c.links[0]
	p, healthy := first.breaker.enterHealthy()
	if !healthy || ref.Field != "" || first.limits(ctx) || c.observed(slog.LevelDebug) {
		return c.search(ctx, ref)
	}
	// The usual call of the first link has a result that nothing reports. It needs a
	// search only if it fails.
	start := c.startCall()
	secret, err := first.Provider.Get(ctx, ref)
	if err != nil {
		return c.searchAfter(ctx, ref, p, start, err)
	}
	first.breaker.settle(p, 0)
	secret.Source = first.Name
	return secret, nil
}

// observed reports whether OnCall or the log wants a Call whose line has level. The
// level of a call is known when it ends; Warn is the highest.
func (c *Chain) observed(level slog.Level) bool {
	return c.onCall != nil || c.log != nil && c.log.enabled(level)
}

// untimed is the start of a call whose latency nothing reports.
const untimed = time.Duration(-1)

// startCall returns the chain's age at the start of a call, or untimed.
func (c *Chain) startCall() time.Duration {
	if c.observed(slog.LevelWarn) {
		return c.age()
	}
	return untimed
}

// age returns the time since New. It reads one clock, where time.Now reads two.
func (c *Chain) age() time.Duration { return time.Since(c.start) }

// report hands a Call to the log and to OnCall.
func (c *Chain) report(ctx context.Context, call Call) {
	if c.log != nil {
		call.log(c.log)
	}
	if c.onCall != nil {
		c.onCall(ctx, call)
	}
}
