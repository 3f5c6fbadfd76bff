// Package extension reads secrets from the AWS Parameters and Secrets Lambda
// Extension. It also reads from servers with the same protocol: the AWS Secrets
// Manager Agent, which is now the Workload Credentials Provider, and package agent.
//
// A Provider connects only to loopback addresses. Its token depends on the platform:
//
//   - In Lambda, where AWS_LAMBDA_RUNTIME_API is set, the token is AWS_SESSION_TOKEN.
//     Each call reads the variable, because Lambda changes it.
//   - Elsewhere, the token comes from [Options], from AWS_TOKEN (a value, or
//     file:///path), or from the file /var/run/awssmatoken. Credentials of AWS are
//     never sent, because any process can listen on port 2773. Without a token, Get
//     does not connect.
//   - Elsewhere, with neither an endpoint nor a token, Get returns [hush.ErrAbsent].
//
// The Lambda extension has one response for a secret that is missing, denied or
// throttled: Get returns [hush.ErrRefused]. Add the direct provider to the chain to
// learn the cause. While the extension starts, Get also returns [hush.ErrRefused]. A
// fresh read is [hush.ErrUnsupported], because the extension cannot bypass its cache.
// The agent reports causes, and supports fresh reads.
package extension

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/http1"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/parallel"
	"github.com/hush-secrets/hush/internal/params"
)

// source is the name of the provider in errors and in [hush.Secret.Source].
const source = "extension"

const (
	// lambdaTimeout leaves time for direct in the same invocation. Outside Lambda, the
	// AWS agent needs more: its SDK repeats a throttled request for up to 2 s before
	// the agent responds.
	lambdaTimeout    = 1500 * time.Millisecond
	defaultTimeout   = 3 * time.Second
	defaultReadyWait = 100 * time.Millisecond

	// parallelGets is the number of connections that the Lambda extension opens to AWS.
	// Further requests would wait for one of them until they time out.
	parallelGets = 3
)

// A Dialect is one of the two servers of the protocol. They differ in fresh reads, and
// in their responses to a request that AWS refused.
type Dialect uint8

const (
	// DialectAuto means DialectLambda if AWS_LAMBDA_RUNTIME_API is set, and otherwise
	// DialectAgent.
	DialectAuto Dialect = iota
	// DialectLambda is the Lambda extension.
	DialectLambda
	// DialectAgent is the AWS Secrets Manager Agent, or package agent.
	DialectAgent
)

// Options are the settings of a Provider. The zero value has the documented defaults.
type Options struct {
	// Endpoint is an http URL with a loopback address and a port. The host localhost
	// means 127.0.0.1. Empty means 127.0.0.1 with the port in
	// PARAMETERS_SECRETS_EXTENSION_HTTP_PORT, or with port 2773.
	Endpoint string

	// Token returns the token to send. Each Get calls it once. If it fails, Get returns
	// ErrUnauthenticated and does not quote the error, because the error may contain
	// the token. Nil means the token that the package comment describes.
	Token func(context.Context) (string, error)

	// Timeout limits a Get, including the wait for a server that is not ready. Zero
	// means 1.5 s in Lambda and 3 s elsewhere. A negative value means no timeout.
	Timeout time.Duration

	// ReadyWait limits the wait for a server that is not ready, such as the extension
	// in INIT and at the start of the first invocation. All reads share one wait.
	// If the server is still not ready, reads fail with ErrRefused for the next 100 ms,
	// without a request. Then one read sends a single request. If the server is not
	// ready, the 100 ms start again. A new wait starts only after the server was ready,
	// or 10 s after its last "not ready". Zero means 100 ms. A negative value means no
	// wait.
	ReadyWait time.Duration

	// Dialect is the server that responds. Zero means DialectAuto.
	Dialect Dialect
}

// A Provider reads secrets from the extension. It is safe for concurrent use.
type Provider struct {
	transport   hidden.Of[*http1.Transport] // its connections have buffers
	request     *http.Request               // the template of each request
	server      string                      // address and port
	endpointErr error                       // an invalid endpoint
	hasEndpoint bool                        // the endpoint is configured, and not the default
	tokens      tokens
	timeout     time.Duration
	ready       *readiness
	dialect     Dialect // never DialectAuto
}

var _ hush.BatchProvider = (*Provider)(nil)

// New returns a Provider. Nil opts means the defaults. New does not connect, and does
// not fail: if the endpoint is invalid, each Get returns ErrUnavailable. New reads the
// endpoint and the dialect from the environment. Get reads the token.
func New(opts *Options) *Provider {
	if opts == nil {
		opts = &Options{}
	}
	inLambda := os.Getenv("AWS_LAMBDA_RUNTIME_API") != ""
	timeout, dialect := defaultTimeout, DialectAgent
	if inLambda {
		timeout, dialect = lambdaTimeout, DialectLambda
	}
	server, configured, err := findEndpoint(opts.Endpoint)
	return &Provider{
		transport: hidden.New(newTransport(server)),
		request: &http.Request{
			Method: http.MethodGet,
			URL:    &url.URL{Scheme: "http", Host: server, Path: path},
			Host:   server,
		},
		server:      server,
		endpointErr: err,
		hasEndpoint: configured,
		tokens:      tokens{get: opts.Token, inLambda: inLambda, file: tokenFile},
		timeout:     cmp.Or(opts.Timeout, timeout),
		ready:       newReadiness(clock.New(), cmp.Or(opts.ReadyWait, defaultReadyWait)),
		dialect:     cmp.Or(opts.Dialect, dialect),
	}
}

// Get returns the secret that ref names. A fresh read, and NewerThan, bypass the
// agent's cache. The [APIError] in an error gives the reason. With the Lambda extension,
// ErrRefused means that the secret is missing, denied or throttled, or that the
// extension is starting.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
	}
	if err := p.check(ref); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, err.class, err)
	}
	limited, cancel := limit.Context(ctx, p.timeout, "the extension")
	defer cancel()
	secret, err := p.read(limited, ref)
	if err != nil {
		return hush.Secret{}, err.wrap(ctx, limited, ref)
	}
	return ref.Select(secret)
}

// GetBatch calls Get for each of refs, three at a time. Each Get has its own timeout.
func (p *Provider) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	parallel.Each(len(refs), parallelGets, func(i int) {
		results[i].Secret, results[i].Err = p.Get(ctx, refs[i])
	})
	return results
}

// check returns an error if Get cannot succeed, which is known without a request.
func (p *Provider) check(ref hush.Ref) *APIError {
	_, fresh := ref.Freshness()
	switch {
	case p.endpointErr != nil:
		return unsent(ReasonInvalidEndpoint, p.endpointErr.Error())
	case !p.hasEndpoint && !p.tokens.configured():
		return unsent(ReasonNotConfigured, "this is not Lambda, and neither an endpoint nor a token is configured")
	case fresh && p.dialect == DialectLambda:
		return unsent(ReasonNoFreshReads, "the Lambda extension cannot bypass its cache")
	}
	return nil
}

// read returns the secret that ref names. If the response to a read of the current
// version is another version, read sends one more request that names the stage.
func (p *Provider) read(ctx context.Context, ref hush.Ref) (hush.Secret, *APIError) {
	token, err := p.tokens.find(ctx)
	if err != nil {
		return hush.Secret{}, unsent(ReasonNoToken, err.Error())
	}
	secret, failed := p.fetch(ctx, token, query(ref), ref)
	if failed != nil || !lacksCurrent(ref, secret) {
		return secret, failed
	}
	secret, failed = p.fetch(ctx, token, query(ref)+"&versionStage="+hush.CurrentStage, ref)
	if failed == nil && lacksCurrent(ref, secret) {
		failed = responded(ReasonInvalidResponse, http.StatusOK, "the response is not the current version, although the request named the stage AWSCURRENT")
	}
	return secret, failed
}

// fetch sends one request.
func (p *Provider) fetch(ctx context.Context, token, query string, ref hush.Ref) (hush.Secret, *APIError) {
	r, err := p.send(ctx, token, query)
	switch {
	case err != nil:
		return hush.Secret{}, err
	case r.status != http.StatusOK:
		return hush.Secret{}, p.apiError(r)
	}
	return r.secret(ref)
}

// Scheme returns the scheme "extension", which is a front for "direct". Its parameters
// are endpoint, timeout and ready_wait (durations such as 500ms) and dialect (auto,
// lambda or agent), as in [Options]. Open returns an error if the endpoint is invalid,
// even if it comes from the environment.
func Scheme() hush.Scheme { return hush.Scheme{Name: source, Open: open, Front: "direct"} }

func open(_ context.Context, u *url.URL) (hush.Provider, error) {
	v := params.Parse(u, "endpoint", "timeout", "ready_wait", "dialect")
	opts := &Options{Endpoint: v.Text("endpoint"), Timeout: v.Duration("timeout"), ReadyWait: v.Duration("ready_wait")}
	switch v.Text("dialect") {
	case "", "auto":
	case "lambda":
		opts.Dialect = DialectLambda
	case "agent":
		opts.Dialect = DialectAgent
	default:
		v.Add(errors.New(`parameter "dialect" must be auto, lambda or agent`))
	}
	p := New(opts)
	v.Add(p.endpointErr)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return p, nil
}
