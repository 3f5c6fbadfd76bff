// Package awsdirect reads secrets from AWS Secrets Manager as package direct does, with
// a client that it creates from the AWS configuration.
//
// The first Get loads the configuration. A program that reads no secret pays nothing,
// and a program without AWS runs. The sources are those of the SDK: the environment, the
// shared files with their profiles, and the credentials of containers and web
// identities. The instance metadata service is used only on an EC2 instance, or if
// Options say so, because elsewhere a request to it takes seconds to time out.
//
// A call has two attempts with less than 100 ms between them, and takes at most 500 ms
// to connect and 3 s in all. The environment and the shared files may change the number
// of attempts. The SDK's logger is silent.
package awsdirect

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/internal/awsconf"
	"github.com/hush-secrets/hush/internal/clock"
)

const (
	source         = "direct"
	defaultTimeout = 3 * time.Second
)

// A Provider reads from Secrets Manager with an AWS configuration that the first Get
// loads. Its secrets and errors are those of a [direct.Provider].
type Provider struct {
	opts   Options
	fault  error // an invalid option
	now    clock.Func
	client *awsconf.Lazy[client]
}

// A client is a client of Secrets Manager, or an error if its endpoint is invalid.
type client struct {
	*secretsmanager.Client
	fault error
}

var _ hush.BatchProvider = (*Provider)(nil)

// New returns a Provider. Nil opts means the defaults. New does not fail: if an option is
// invalid, each Get returns ErrUnavailable.
func New(opts *Options) *Provider { return newProvider(opts, clock.New()) }

func newProvider(opts *Options, now clock.Func) *Provider {
	p := &Provider{now: now}
	if opts != nil {
		p.opts = *opts
	}
	p.opts.Timeout = cmp.Or(p.opts.Timeout, defaultTimeout)
	p.fault = p.opts.check()
	p.client = awsconf.NewLazy(p.opts.conf(), now, p.opts.newClient)
	return p
}

// Get returns the secret that ref names, as [direct.Provider.Get] does. It returns
// ErrAbsent if no credentials are configured, or no region and the name is not an ARN.
// It returns ErrUnauthenticated if the credentials or the configuration are invalid, and
// ErrUnavailable if the source of credentials does not respond. Each of these is kept
// for a second.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	d, class, err := p.direct(ctx)
	if err != nil {
		return hush.Secret{}, hush.NewError(source, ref, class, err)
	}
	return d.Get(ctx, ref)
}

// GetBatch reads refs as [direct.Provider.GetBatch] does.
func (p *Provider) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	d, class, err := p.direct(ctx)
	if err == nil {
		return d.GetBatch(ctx, refs)
	}
	results := make([]hush.Result, len(refs))
	for i, ref := range refs {
		if results[i].Err = ref.Validate(); results[i].Err == nil {
			results[i].Err = hush.NewError(source, ref, class, err)
		}
	}
	return results
}

// direct returns the Provider for one call with the remaining time, or a class and a
// cause.
func (p *Provider) direct(ctx context.Context) (*direct.Provider, hush.Class, error) {
	switch {
	case ctx.Err() != nil:
		return nil, hush.ErrCanceled, ctx.Err()
	case p.fault != nil:
		return nil, hush.ErrUnavailable, p.fault
	}
	start := p.now()
	client, class, err := p.client.Get(ctx, p.opts.Timeout)
	if err != nil {
		return nil, class, err
	}
	if client.fault != nil {
		return nil, hush.ErrUnavailable, client.fault
	}
	return direct.New(client.Client, &direct.Options{Timeout: p.remaining(start), Batch: p.opts.Batch}), 0, nil
}

// remaining returns the timeout without the time since start.
func (p *Provider) remaining(start clock.Instant) time.Duration {
	if p.opts.Timeout < 0 {
		return p.opts.Timeout
	}
	return max(p.opts.Timeout-p.now().Since(start), time.Millisecond)
}

// newClient returns a client with the timeouts of this package.
func (o *Options) newClient(cfg aws.Config) client {
	if buildable, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		// Freeze keeps a defaults mode from changing the connect timeout. The timeout
		// of the client applies only to sources of credentials.
		cfg.HTTPClient = buildable.WithTimeout(0).Freeze()
	}
	conf := o.conf()
	api := secretsmanager.NewFromConfig(conf.Configured(cfg), func(c *secretsmanager.Options) {
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
	})
	endpoint := aws.ToString(api.Options().BaseEndpoint)
	if err := checkEndpoint(endpoint); err != nil {
		return client{fault: fmt.Errorf("AWS_ENDPOINT_URL or the endpoint_url of a profile: %w", err)}
	}
	o.warnPlaintext(endpoint)
	return client{Client: api}
}
