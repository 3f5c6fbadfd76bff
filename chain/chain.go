// Package chain calls several Providers in order until one returns the secret.
//
// These rules decide what Get returns if stores fail:
//
//   - The chain calls its links in order and returns the first secret. After a failure, it
//     calls the next link. A Policy such as OutagesOnly can end the lookup instead, except
//     after ErrAbsent and ErrUnsupported. An invalid Ref and the end of the caller's
//     context always end the lookup.
//   - A Link with Front is a faster way to its store, which is the next link without
//     Front. An example is the Lambda extension in front of Secrets Manager. A front's
//     failure never ends the lookup. If the result of the store is then anything other than
//     ErrAbsent or ErrUnsupported, the front's failure is ignored. If a front is throttled,
//     the chain skips the other fronts of that store.
//   - Each link has a Breaker. While it is open, the chain skips the link and treats it as
//     unavailable. If no other link returns the secret, the chain makes last-resort calls
//     to the links that it skipped, in order, before it returns an error.
//   - If every link fails, the first outage (throttled, unavailable or refused) decides the
//     class of the error, because the store that is down may have the secret. Without an
//     outage, the first failure other than ErrNotFound decides, then ErrNotFound.
//     ErrAbsent and then ErrUnsupported decide only if no link failed otherwise. If a
//     last-resort call ends the lookup, the links after it do not decide.
//   - The secret is a fallback (Secret.FromFallback) if an earlier store could not serve
//     it. That store was throttled, was unavailable, refused the call, did not accept the
//     credential, or does not support the fresh read that the caller requested. A front's
//     failure counts only if its store is absent or does not support the Ref.
//   - A time limit of a link or of the chain never looks like the caller's deadline: it is
//     ErrUnavailable. The same holds if the cause of the caller's context is a *hush.Error,
//     such as the FetchTimeout of cachettl.
//
// The chain logs each call of a link, each link that it skips, and each lookup that ends
// without the secret. Options.OnCall receives the same events. A breaker that opens or
// closes has a log line of its own. No line contains the value of a secret.
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

const source = "chain"

// A Link is one Provider of a chain.
type Link struct {
	// Name is the link's name in Secret.Source, errors and log lines. It is required and
	// unique in the chain.
	Name string

	// Provider is called with a Ref that has no Field. It is required.
	Provider hush.Provider

	// Timeout limits each call of the link. For a last-resort call, this includes the
	// wait for a slot. Zero or a negative value means no Timeout. The Provider may have a
	// limit of its own, and Chain.Get gives each link a share of the caller's time.
	Timeout time.Duration

	// Front means that the link is a front of the next link without Front. It has no
	// effect if there is no such link.
	Front bool

	// Policy reports whether the lookup continues after a failure of this link. It is not
	// called for a front, because the lookup continues after every failure of a front.
	// Nil means that the lookup continues after every failure.
	Policy Policy
}

// A Policy reports whether a lookup continues with the next link after a link failed with
// class. A Policy must be safe for concurrent use.
//
// The chain does not call the Policy after ErrAbsent and ErrUnsupported, which always
// continue the lookup, or after ErrInvalidRef and ErrCanceled, which always end it. If the
// chain skips a link because its breaker is open, class is ErrUnavailable. A last-resort
// call of that link calls the Policy again, with the class of its failure.
type Policy func(class hush.Class) bool

// OutagesOnly is a Policy for a chain whose later stores are trusted less. The lookup
// continues only after ErrThrottled and ErrUnavailable. It ends if the store responds
// (ErrNotFound, ErrDenied, ErrRefused) or does not accept the credential
// (ErrUnauthenticated).
func OutagesOnly(class hush.Class) bool {
	return class == hush.ErrThrottled || class == hush.ErrUnavailable
}

// Options are optional settings of a chain. The zero value is the default.
type Options struct {
	// Breaker configures the breaker of each link.
	Breaker Breaker

	// Logger receives a line for each Call, and a line at Warn if a breaker opens or
	// closes. Nil means no log. The level of a Call of a link is:
	//
	//   - Debug if the first link returned the secret, the link was skipped, is absent or
	//     does not support the Ref, the secret was not found, or the caller canceled.
	//   - Info if a later link returned the secret, or a front failed.
	//   - Warn if a store failed, or the caller's deadline interrupted the call.
	//
	// The level of a lookup that ended without the secret is Debug if its class is
	// ErrAbsent or ErrUnsupported or the caller canceled, Info if its class is
	// ErrNotFound, and otherwise Error.
	Logger *zap.Logger

	// OnCall receives each Call, whatever its level, before the chain calls the next
	// link. ctx is the context of the Get, so that a tracer finds its parent span. OnCall
	// must be safe for concurrent use. Get waits for it, and a panic in OnCall is a panic
	// of Get. SlogCalls returns an OnCall for log/slog. Nil means no callback.
	OnCall func(ctx context.Context, call Call)

	// Tests replace the clocks and the jitter of the breakers.
	now    clock.Func
	jitter func(wait time.Duration) time.Duration
}

func (o Options) withDefaults() Options {
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
	links   []link
	log     lineWriter                  // nil: no log
	onCall  func(context.Context, Call) // may be nil
	start   time.Time                   // when New made the chain
	batcher *batcher                    // of the lookups of GetBatch; otherwise nil
}

var _ hush.Provider = (*Chain)(nil)

// New returns a Chain over a copy of links. Nil opts means the defaults. New panics if
// there are no links, if a link has no Provider, or if a Name is empty or used twice.
func New(links []Link, opts *Options) *Chain {
	requireValid(links)
	if opts == nil {
		opts = &Options{}
	}
	o := opts.withDefaults()
	c := &Chain{links: connect(links, o), onCall: o.OnCall, start: time.Now()}
	if o.Logger != nil {
		c.log = zapWriter{o.Logger}
	}
	return c
}

func requireValid(links []Link) {
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
			panic(fmt.Sprintf("chain: two links have the name %q", l.Name))
		}
		seen[l.Name] = true
	}
}

// Get returns the first secret that a link returns, with the link's name as its Source.
// Get applies the Ref's Field to this secret, so that a missing field does not change
// which store serves it.
//
// If ctx has a deadline, each link but the last gets at most its share of the time left:
// the time left divided by the number of links left. A link that is skipped leaves its
// share to the others. A Provider that ignores its context uses up the shares of the
// others, because Get waits for it.
//
// An error is a *hush.Error whose cause is a *Failure that lists every attempt. Its class
// follows the rules of the package comment. There are these special cases:
//
//   - Ref.Validate fails: the class is ErrInvalidRef, and Get calls no link.
//   - ctx has ended before Get: Get calls no link, and there is no *Failure.
//   - The secret does not have the Ref's Field: the class is ErrNotFound. There is no
//     *Failure, because the lookup has succeeded.
//   - ctx ends during the lookup: the error wraps ctx.Err(). Its class is that of the last
//     call if that call reported an outage, and otherwise ErrCanceled.
//   - ctx ends with a *hush.Error as its cause: the error wraps no context error, and its
//     class is that of an outage.
//
// A panic of a link is a panic of Get.
func (c *Chain) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if end := endOf(ctx); end != nil {
		return hush.Secret{}, hush.NewError(source, ref, classOfEnd(end), end)
	}
	first := &c.links[0]
	p, healthy := first.breaker.acquireHealthy()
	if !healthy || ref.Field != "" || first.hasLimit(ctx) || c.observed(slog.LevelDebug) {
		return c.lookUp(ctx, ref)
	}
	// A successful call of the healthy first link is not reported. It needs a lookup only
	// if it fails.
	start := c.startCall()
	secret, err := first.Provider.Get(ctx, ref)
	if err != nil {
		return c.lookUpAfterFirst(ctx, ref, p, start, err)
	}
	first.breaker.record(p, 0)
	secret.Source = first.Name
	return secret, nil
}

// observed reports whether OnCall or the log receives a Call whose line has level. The
// level of a call is known only when the call ends.
func (c *Chain) observed(level slog.Level) bool {
	return c.onCall != nil || c.log != nil && c.log.enabled(level)
}

// untimed is the start of a call whose latency is not reported.
const untimed = time.Duration(-1)

// startCall returns the chain's age at the start of a call, or untimed. The line of a call
// is at most at Warn, but the line of the lookup, at Error, has the latency of its calls.
func (c *Chain) startCall() time.Duration {
	if c.observed(slog.LevelError) {
		return c.age()
	}
	return untimed
}

// age returns the time since New. It reads one clock, but time.Now reads two.
func (c *Chain) age() time.Duration { return time.Since(c.start) }

// report passes a Call to the log and to OnCall.
func (c *Chain) report(ctx context.Context, call Call) {
	if c.log != nil {
		call.log(c.log)
	}
	if c.onCall != nil {
		c.onCall(ctx, call)
	}
}
