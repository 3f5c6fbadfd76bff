// Package awsdirect is package direct with the client found and tuned: region and
// credentials come from where every AWS tool looks for them, and a dead endpoint
// is known soon.
//
// The AWS configuration is loaded when the first secret is asked for, not before,
// so that a program which never asks pays nothing and one without AWS runs. Its
// sources are the SDK's: the environment, the shared files with their profiles,
// and the credentials of containers and web identities. The instance metadata
// service is asked only on an EC2 instance, or if told to: elsewhere it answers
// nobody, which takes seconds.
//
// A call is tried twice with less than 100 ms between, takes at most 500 ms to
// connect and 3 s in all. The environment and the shared files may set the number
// of attempts otherwise. The SDK's own logger is silent.
package awsdirect

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
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
	name           = "direct"
	defaultTimeout = 3 * time.Second
)

// Metadata says when the EC2 instance metadata service may be asked for
// credentials and a region that are configured nowhere else.
type Metadata = awsconf.Metadata

// The choices. AWS_EC2_METADATA_DISABLED=true is never, whatever is chosen.
const (
	// MetadataAuto: if the machine says that it is an EC2 instance, by what Linux
	// shows of its firmware. Other systems do not say.
	MetadataAuto = awsconf.MetadataAuto
	// MetadataOn: always.
	MetadataOn = awsconf.MetadataOn
	// MetadataOff: never.
	MetadataOff = awsconf.MetadataOff
)

// Options are the settings of a Provider. The zero value is the default.
type Options struct {
	// Region is where secrets are asked for that are not named by an ARN. Empty:
	// AWS_REGION, or what the profile says.
	Region string

	// Profile is the section of the shared files to use, which then goes before
	// credentials in the environment. Empty: AWS_PROFILE, or default.
	Profile string

	// RoleARN is a role to assume with the credentials that are found. Empty: none
	// but what the profile says.
	RoleARN string

	// ExternalID is what the role's policy may ask for. It needs a RoleARN.
	ExternalID string

	// Endpoint is the URL of Secrets Manager, or of a server that stands for it. Empty
	// means AWS's, or that of AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL or the
	// profile. Each of them may be http; unless it is on loopback, this is logged at
	// level Warn.
	Endpoint string

	// Logger receives that warning. Nil means slog.Default().
	Logger *slog.Logger

	// InstanceMetadata says when the instance metadata service is asked.
	InstanceMetadata Metadata

	// Timeout limits a Get, the loading of the configuration and the finding of
	// credentials included. Zero: 3 s. Negative: none but the caller's.
	Timeout time.Duration

	// Configure changes the configuration after it was loaded: a program can set an
	// HTTPClient, or append to APIOptions the middleware of otelaws. It is called once
	// for each client that is made: the one of Secrets Manager, and with a RoleARN the
	// one of STS. The limits of the package comment apply to the default HTTPClient
	// only. A panic makes every Get ErrUnavailable. Nil changes nothing.
	//
	// Credentials are found before Configure is called. A program that has credentials
	// of its own passes a client to [direct.New].
	Configure func(*aws.Config)

	// Batch lets GetBatch use Secrets Manager's BatchGetSecretValue, as in
	// [direct.Options].
	Batch bool
}

// A Provider reads from Secrets Manager with AWS configuration that it loads on
// first use. Its secrets and errors are those of a [direct.Provider].
type Provider struct {
	opts   Options
	fault  error // an option that cannot work
	now    clock.Func
	client *awsconf.Lazy[client]
}

// A client is a client of Secrets Manager, or the reason why its endpoint is not valid.
type client struct {
	*secretsmanager.Client
	fault error
}

var _ hush.BatchProvider = (*Provider)(nil)

// New returns a Provider. A nil opts is the default. New does not fail: an option
// that cannot work is the answer of every Get, as ErrUnavailable.
func New(opts *Options) *Provider { return newProvider(opts, clock.New()) }

func newProvider(opts *Options, now clock.Func) *Provider {
	p := &Provider{now: now}
	if opts != nil {
		p.opts = *opts
	}
	p.opts.Timeout = cmp.Or(p.opts.Timeout, defaultTimeout)
	p.fault = p.opts.check()
	p.client = awsconf.NewLazy(p.opts.conf(), now, p.opts.client)
	return p
}

// Get asks Secrets Manager for ref, as [direct.Provider.Get] does. Without any
// credentials configured it is ErrAbsent at once, and so without a region unless
// the name is an ARN; with credentials or a configuration that cannot be used it
// is ErrUnauthenticated, and while the source of credentials cannot be reached it is
// ErrUnavailable. Each is found out anew a second later at the earliest.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	d, class, err := p.direct(ctx)
	if err != nil {
		return hush.Secret{}, hush.NewError(name, ref, class, err)
	}
	return d.Get(ctx, ref)
}

// GetBatch asks for each of refs as [direct.Provider.GetBatch] does.
func (p *Provider) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	d, class, err := p.direct(ctx)
	if err == nil {
		return d.GetBatch(ctx, refs)
	}
	results := make([]hush.Result, len(refs))
	for i, ref := range refs {
		if results[i].Err = ref.Validate(); results[i].Err == nil {
			results[i].Err = hush.NewError(name, ref, class, err)
		}
	}
	return results
}

// direct returns the Provider for one call, with what is left of its time, or a
// class and a cause why there is none.
func (p *Provider) direct(ctx context.Context) (*direct.Provider, hush.Class, error) {
	switch {
	case ctx.Err() != nil:
		return nil, hush.ErrCanceled, ctx.Err()
	case p.fault != nil:
		return nil, hush.ErrUnavailable, p.fault
	}
	start, timeout := p.now(), p.opts.Timeout
	loading := p.client.Load(ctx)
	ready := loading.Done()
	client, class, err := loading.Wait(ctx, timeout)
	if err != nil {
		return nil, class, err
	}
	if client.fault != nil {
		return nil, hush.ErrUnavailable, client.fault
	}
	if !ready {
		timeout = p.left(start)
	}
	return direct.New(client.Client, &direct.Options{Timeout: timeout, Batch: p.opts.Batch}), 0, nil
}

// left returns what the time since start leaves of the timeout.
func (p *Provider) left(start clock.Instant) time.Duration {
	if p.opts.Timeout < 0 {
		return p.opts.Timeout
	}
	return max(p.opts.Timeout-p.now().Since(start), time.Millisecond)
}

// client returns a client of cfg with the limits of the package.
func (o *Options) client(cfg aws.Config) client {
	if buildable, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		// Frozen, or a defaults mode would set the connect timeout. Without the
		// sources' timeout: a call has the one of Options.
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
