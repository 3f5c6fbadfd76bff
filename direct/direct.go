// Package direct reads secrets from AWS Secrets Manager through the AWS SDK for
// Go v2.
//
// The program brings the client, with its region, credentials and retries; package
// direct/awsdirect is for one that wants them found. Whatever the client does, a
// call has one time limit for all its attempts, and what AWS last answered is not
// lost when that limit ends it.
//
// Codes and statuses, never texts, decide the class of a failure. Of what AWS
// says only the code, the status and the request id are kept, in an [APIError].
package direct

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/current"
	"github.com/hush-secrets/hush/internal/ec2"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/limit"
)

const (
	name           = "direct"
	defaultTimeout = 3 * time.Second
)

// An API is what a Provider needs of a Secrets Manager client; a
// *secretsmanager.Client is one. The options that it is called with carry the
// region of an ARN and watch over the attempts: a wrapper passes them on.
type API interface {
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Options are the settings of a Provider. The zero value is the default.
type Options struct {
	// Timeout limits a Get, including retries, waits and the retrieval of credentials.
	// Zero means 3 s. A negative value means no timeout but the caller's deadline.
	//
	// A request on a kept connection may wait for a third of the remaining time. It is
	// then repeated on a new connection, because the network may drop a kept
	// connection silently.
	Timeout time.Duration

	// MaxAttempts is the number of attempts of a call, including the first. Zero or a
	// negative value means the client's own setting, which is 3 by the SDK's default,
	// with waits of up to 2 s and 4 s. An attempt on a kept connection that turns out
	// to be dead is repeated at once and does not count.
	MaxAttempts int

	// Batch makes GetBatch, and so hush.GetAll, read current versions by
	// BatchGetSecretValue, 20 a call. That needs an IAM action of its own beside
	// GetSecretValue, and AWS allows an account 100 of these calls a second against
	// 10,000 of the others: a fleet that starts together is slower by it. A client
	// without that method makes single calls. False: eight single calls at a time.
	Batch bool
}

// A Provider reads from Secrets Manager. Every read is fresh: there is no cache
// on the way.
type Provider struct {
	client      hidden.Of[API] // which holds AWS credentials
	timeout     time.Duration
	maxAttempts int
	batch       hidden.Of[BatchAPI] // nil: single calls only

	lacksMetadata func() bool // there is no instance metadata service here
}

var _ hush.Provider = (*Provider)(nil)

// New returns a Provider that asks client. A nil opts is the default.
func New(client API, opts *Options) *Provider {
	if client == nil {
		panic("direct: client is nil")
	}
	if opts == nil {
		opts = &Options{}
	}
	p := &Provider{client: hidden.New(client), timeout: cmp.Or(opts.Timeout, defaultTimeout), maxAttempts: opts.MaxAttempts}
	p.lacksMetadata = sync.OnceValue(func() bool { return ec2.LacksMetadata(ec2.Sys) })
	if opts.Batch {
		batch, _ := client.(BatchAPI)
		p.batch = hidden.New(batch)
	}
	return p
}

// Get asks Secrets Manager for ref. A name that is an ARN is asked for in the
// region that it names, at the client's own endpoint if that was set.
//
// Beside the classes that every Provider has: ErrNotFound is also a secret marked
// for deletion, and a name that Secrets Manager cannot have, for which it is not
// asked. ErrDenied is a refusal by a policy or by KMS. ErrUnauthenticated is a
// credential that is configured and does not serve, ErrAbsent a client without
// any, or without a region. What AWS answered is an *APIError in the tree of the
// error.
//
// A request for the current version names no stage. If the response carries stages
// without AWSCURRENT, Get sends one more request that names the stage, and uses its
// response.
//
// A client of the SDK's default configuration looks for credentials in the instance
// metadata service if none are configured. On a Linux machine that is not an EC2
// instance, Get returns ErrAbsent without a request to that service, unless
// AWS_EC2_METADATA_SERVICE_ENDPOINT is set. Other systems do not tell what they are.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(name, ref, hush.ErrCanceled, err)
	}
	region, err := regionOf(ref.Name)
	if err != nil {
		return hush.Secret{}, hush.NewError(name, ref, hush.ErrNotFound, err)
	}
	out, class, err := p.ask(ctx, region, ref)
	if err != nil {
		return hush.Secret{}, hush.NewError(name, ref, class, err)
	}
	secret, err := read(ref, out)
	if err != nil {
		return hush.Secret{}, hush.NewError(name, ref, hush.ErrUnavailable, err)
	}
	return ref.Select(secret)
}

// ask returns the response, or a class and its cause. If the response to a read of
// the current version is another version, ask sends one more request that names the
// stage, within the same time limit.
func (p *Provider) ask(ctx context.Context, region string, ref hush.Ref) (*secretsmanager.GetSecretValueOutput, hush.Class, error) {
	limited, cancel := limit.Context(ctx, p.timeout, "Secrets Manager")
	defer cancel()
	w := p.watch(region, p.maxAttempts)
	in := input(ref)
	out, err := p.call(limited, in, w)
	if err == nil && out != nil && current.Missing(ref, out.VersionStages) {
		in.VersionStage = aws.String(hush.CurrentStage)
		out, err = p.call(limited, in, w)
	}
	if err == nil {
		return out, 0, nil
	}
	class, cause := w.verdict(ctx, limited, err)
	return nil, class, cause
}

// call calls the client. If AWS reports a late signature, because the process was
// frozen between signing and sending, call signs and sends the request once more.
func (p *Provider) call(ctx context.Context, in *secretsmanager.GetSecretValueInput, w *watch) (*secretsmanager.GetSecretValueOutput, error) {
	out, err := p.client.Get().GetSecretValue(ctx, in, w.options)
	if refused := w.answer(err); refused.lateSignature() && ctx.Err() == nil {
		out, err = p.client.Get().GetSecretValue(ctx, in, w.options)
	}
	return out, err
}

func (p *Provider) watch(region string, maxAttempts int) *watch {
	return &watch{region: region, maxAttempts: maxAttempts, lacksMetadata: p.lacksMetadata}
}

func input(ref hush.Ref) *secretsmanager.GetSecretValueInput {
	whole := ref.Key()
	in := &secretsmanager.GetSecretValueInput{SecretId: &whole.Name}
	if whole.Version != "" {
		in.VersionId = &whole.Version
	}
	if whole.Stage != "" {
		in.VersionStage = &whole.Stage
	}
	return in
}
