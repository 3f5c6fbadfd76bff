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
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/limit"
)

const (
	name           = "direct"
	defaultTimeout = 3 * time.Second

	// moment is how long a failure to find credentials is believed: long enough
	// that a busy program does not look a thousand times a second.
	moment = time.Second
)

// Metadata says when the EC2 instance metadata service may be asked for
// credentials and a region that are configured nowhere else.
type Metadata uint8

// The choices. AWS_EC2_METADATA_DISABLED=true is never, whatever is chosen.
const (
	// MetadataAuto: if the machine says that it is an EC2 instance, by what Linux
	// shows of its firmware. Other systems do not say.
	MetadataAuto Metadata = iota
	// MetadataOn: always.
	MetadataOn
	// MetadataOff: never.
	MetadataOff
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

	// Endpoint is Secrets Manager's URL, for a server of tests: https, or http on
	// loopback. Empty: AWS's, or what AWS_ENDPOINT_URL_SECRETS_MANAGER and its kind
	// say.
	Endpoint string

	// InstanceMetadata says when the instance metadata service is asked.
	InstanceMetadata Metadata

	// Timeout limits a Get, the loading of the configuration and the finding of
	// credentials included. Zero: 3 s. Negative: none but the caller's.
	Timeout time.Duration

	// Batch lets GetBatch use Secrets Manager's BatchGetSecretValue, as in
	// [direct.Options].
	Batch bool
}

// A Provider reads from Secrets Manager with AWS configuration that it loads on
// first use. Its secrets and errors are those of a [direct.Provider].
type Provider struct {
	opts  Options
	fault error // an option that cannot work
	now   clock.Func
	sys   string // where Linux shows the machine's firmware

	mu      sync.Mutex
	current *loading
}

var _ hush.BatchProvider = (*Provider)(nil)

// New returns a Provider. A nil opts is the default. New does not fail: an option
// that cannot work is the answer of every Get, as ErrUnavailable.
func New(opts *Options) *Provider {
	p := &Provider{now: clock.New(), sys: "/sys"}
	if opts != nil {
		p.opts = *opts
	}
	p.opts.Timeout = cmp.Or(p.opts.Timeout, defaultTimeout)
	p.fault = p.opts.check()
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
	l := p.load(ctx)
	timeout := p.opts.Timeout
	select {
	case <-l.done:
	default:
		start := p.now()
		if class, err := p.wait(ctx, l); err != nil {
			return nil, class, err
		}
		timeout = p.left(start)
	}
	if l.err != nil {
		return nil, l.class, l.err
	}
	return direct.New(l.client, &direct.Options{Timeout: timeout, Batch: p.opts.Batch}), 0, nil
}

// wait returns when l is done, or with a class and a cause why it did not wait for
// that.
func (p *Provider) wait(ctx context.Context, l *loading) (hush.Class, error) {
	limited, cancel := limit.Context(ctx, p.opts.Timeout, "loading the AWS configuration")
	defer cancel()
	select {
	case <-l.done:
		return 0, nil
	case <-limited.Done():
		class, cause, _ := limit.Cut(ctx, limited, 0)
		return class, cause
	}
}

// left returns what the time since start leaves of the timeout.
func (p *Provider) left(start clock.Instant) time.Duration {
	if p.opts.Timeout < 0 {
		return p.opts.Timeout
	}
	return max(p.opts.Timeout-p.now().Since(start), time.Millisecond)
}

// A loading is one attempt to load the configuration, and what came of it. Its
// members below done are set before done is closed.
type loading struct {
	done    chan struct{}
	client  *secretsmanager.Client
	class   hush.Class // of err
	err     error
	expires clock.Instant // if brief: when to try again
	brief   bool
}

// load returns the loading that serves now, and starts one if there is none. It is
// detached from ctx: others wait for it, too.
func (p *Provider) load(ctx context.Context) *loading {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.current; l != nil && !p.over(l) {
		return l
	}
	l := &loading{done: make(chan struct{})}
	p.current = l
	go p.run(context.WithoutCancel(ctx), l)
	return l
}

func (p *Provider) over(l *loading) bool {
	select {
	case <-l.done:
		return l.brief && p.now().Reached(l.expires)
	default:
		return false
	}
}

// run loads the configuration. What has failed, and what found no region, is
// worth another look in a moment.
func (p *Provider) run(ctx context.Context, l *loading) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	l.client, l.class, l.err = p.connect(ctx)
	l.brief = l.err != nil || l.client.Options().Region == ""
	l.expires = p.now().Add(moment)
}
