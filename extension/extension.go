// Package extension reads secrets from the AWS Parameters and Secrets Lambda
// Extension, and from what else speaks its protocol on this machine: the AWS
// Secrets Manager Agent, now the Workload Credentials Provider, and package agent.
//
// It talks to loopback alone and hands a token to nobody who was not meant:
//
//   - In Lambda, where AWS_LAMBDA_RUNTIME_API is set, the token is
//     AWS_SESSION_TOKEN, read for each call because Lambda changes it.
//   - Elsewhere anyone may own port 2773, so no credential of AWS's goes there. The
//     token comes from [Options], from AWS_TOKEN (a value, or file:///path), or
//     from the file /var/run/awssmatoken, and there is no dial without one.
//   - Elsewhere with neither an endpoint nor a token given, the extension is not
//     here: [hush.ErrAbsent], without a dial.
//
// The Lambda extension answers everything that AWS refused with one text, so
// missing, denied and throttled are all [hush.ErrRefused] there: put the direct
// provider behind it in a chain to know which. It has no fresh reads either; they
// are [hush.ErrUnsupported]. The agent says why, and has them. While the extension
// starts, reads are [hush.ErrRefused], too.
package extension

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/current"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/http1"
	"github.com/hush-secrets/hush/internal/limit"
)

// name is the provider's name in errors, and the Source of its secrets.
const name = "extension"

const (
	// lambdaTimeout leaves time for direct in the same invocation. Outside Lambda, the
	// AWS agent needs more: its SDK repeats a throttled request for up to 2 s before
	// the agent responds.
	lambdaTimeout    = 1500 * time.Millisecond
	defaultTimeout   = 3 * time.Second
	defaultReadyWait = 100 * time.Millisecond
)

// A Dialect is which of the two servers of the protocol is asked: they differ in
// fresh reads and in what a refusal says.
type Dialect uint8

const (
	// DialectAuto is Lambda's if AWS_LAMBDA_RUNTIME_API is set, else the agent's.
	DialectAuto Dialect = iota
	// DialectLambda is the Lambda extension's.
	DialectLambda
	// DialectAgent is the AWS Secrets Manager Agent's, and package agent's.
	DialectAgent
)

// Options are what a Provider can be told. The zero value, like nil, is the
// documented default of each.
type Options struct {
	// Endpoint is http:// with a loopback address, or localhost for 127.0.0.1, and
	// a port. Empty: port PARAMETERS_SECRETS_EXTENSION_HTTP_PORT, else 2773, of
	// 127.0.0.1.
	Endpoint string

	// Token returns the token to send, and is asked once for each call. Its error
	// makes the call ErrUnauthenticated and is not quoted, because it may hold the
	// token. Nil: as the package comment says.
	Token func(context.Context) (string, error)

	// Timeout limits a call, with the wait for readiness. Zero means 1.5 s in Lambda
	// and 3 s elsewhere. A negative value means no timeout but the caller's.
	Timeout time.Duration

	// ReadyWait is how long reads wait, all together, for a server that is not ready,
	// as the extension is in INIT and at the start of the first invocation. After the
	// wait, reads fail with ErrRefused, without a request, for 100 ms after the last
	// "not ready"; then one read sends a single request. The wait begins anew if the
	// server was ready in between, or 10 s later. Zero means 100 ms. A negative value
	// means no wait.
	ReadyWait time.Duration

	// Dialect says who answers. Zero: DialectAuto.
	Dialect Dialect
}

// A Provider reads secrets from the extension. It is safe for concurrent use.
type Provider struct {
	transport hidden.Of[*http1.Transport] // whose connections have buffers
	request   *http.Request               // what every request begins as
	server    string                      // address and port
	fault     error                       // why no call can work
	told      bool                        // an endpoint was given
	tokens    tokens
	timeout   time.Duration
	ready     *readiness
	dialect   Dialect // never DialectAuto
}

var _ hush.Provider = (*Provider)(nil)

// New returns a Provider; nil options are the defaults. It contacts nobody and
// does not fail: an endpoint that cannot work is the answer, ErrUnavailable, of
// every Get. The environment's endpoint and dialect are read here, its tokens in
// Get.
func New(options *Options) *Provider {
	var o Options
	if options != nil {
		o = *options
	}
	inLambda := os.Getenv("AWS_LAMBDA_RUNTIME_API") != ""
	if o.Dialect == DialectAuto {
		o.Dialect = DialectAgent
		if inLambda {
			o.Dialect = DialectLambda
		}
	}
	timeout := defaultTimeout
	if inLambda {
		timeout = lambdaTimeout
	}
	server, told, fault := endpoint(o.Endpoint)
	return &Provider{
		transport: hidden.New(newTransport(server)),
		request: &http.Request{
			Method: http.MethodGet,
			URL:    &url.URL{Scheme: "http", Host: server, Path: path},
			Host:   server,
		},
		server:  server,
		fault:   fault,
		told:    told,
		tokens:  tokens{given: o.Token, inLambda: inLambda, file: tokenFile},
		timeout: cmp.Or(o.Timeout, timeout),
		ready:   newReadiness(clock.New(), cmp.Or(o.ReadyWait, defaultReadyWait)),
		dialect: o.Dialect,
	}
}

// Get returns the secret that ref names. A fresh read, and NewerThan, bypass the
// agent's cache. Errors have every class but ErrRejected, and an [APIError] says why;
// the package comment says which classes only the agent returns.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(name, ref, hush.ErrCanceled, err)
	}
	if f := p.unfit(ref); f != nil {
		return hush.Secret{}, hush.NewError(name, ref, f.class, f)
	}
	limited, cancel := limit.Context(ctx, p.timeout, "the extension")
	defer cancel()
	secret, f := p.read(limited, ref)
	if f != nil {
		return hush.Secret{}, f.wrap(ctx, limited, ref)
	}
	return ref.Select(secret)
}

// unfit returns why ref needs no token and no dial to be answered, or nil.
func (p *Provider) unfit(ref hush.Ref) *APIError {
	_, fresh := ref.Freshness()
	switch {
	case p.fault != nil:
		return unsent(ReasonInvalidEndpoint, p.fault.Error())
	case !p.told && !p.tokens.any():
		return unsent(ReasonNotConfigured, "this is not Lambda, and neither an endpoint nor a token is configured")
	case fresh && p.dialect == DialectLambda:
		return unsent(ReasonNoFreshReads, "the Lambda extension cannot bypass its cache")
	}
	return nil
}

// read returns the secret that ref names. If the response to a read of the current
// version is another version, read sends one more request that names the stage.
func (p *Provider) read(ctx context.Context, ref hush.Ref) (hush.Secret, *APIError) {
	token, f := p.tokens.get(ctx)
	if f != nil {
		return hush.Secret{}, f
	}
	secret, f := p.fetch(ctx, token, query(ref), ref)
	if f != nil || !current.Missing(ref, secret.Stages) {
		return secret, f
	}
	secret, f = p.fetch(ctx, token, query(ref)+"&versionStage="+hush.CurrentStage, ref)
	if f == nil && current.Missing(ref, secret.Stages) {
		f = responded(ReasonInvalidResponse, http.StatusOK, "the response is not the current version, although the request named the stage AWSCURRENT")
	}
	return secret, f
}

func (p *Provider) fetch(ctx context.Context, token, query string, ref hush.Ref) (hush.Secret, *APIError) {
	got, f := p.ask(ctx, token, query)
	switch {
	case f != nil:
		return hush.Secret{}, f
	case got.status != http.StatusOK:
		return hush.Secret{}, p.apiError(got)
	}
	return got.secret(ref)
}
