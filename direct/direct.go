// Package direct reads secrets from AWS Secrets Manager through the AWS SDK for
// Go v2.
//
// The program passes the client, with its region, credentials and retries. Package
// direct/awsdirect creates the client from the AWS configuration instead.
//
// One timeout limits a Get with all its attempts. If the timeout ends the Get, the
// error contains the last response of AWS. Error codes and HTTP statuses decide the
// class of an error. Only the code, the status and the request ID of a response are
// kept, in an [APIError].
package direct

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/ec2"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/limit"
)

const (
	source         = "direct"
	defaultTimeout = 3 * time.Second
)

// An API is the part of a Secrets Manager client that a Provider uses. A
// *secretsmanager.Client implements it. The Provider passes options that set the region
// of an ARN and observe the attempts, so a wrapper must pass on its options.
type API interface {
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Options are the settings of a Provider. The zero value has the documented defaults.
type Options struct {
	// Timeout limits a Get, including retries, waits and the retrieval of credentials.
	// Zero means 3 s. A negative value means no timeout.
	//
	// A request on a reused connection may wait for a third of the remaining time. Then
	// it is repeated on a new connection, because the network may drop an idle
	// connection silently.
	Timeout time.Duration

	// MaxAttempts is the number of attempts, including the first. Zero or a negative
	// value means the setting of the client. The SDK's default is 3, with waits of up
	// to 2 s and 4 s. If a reused connection is dead, the request is repeated at once,
	// and both requests count as one attempt.
	MaxAttempts int

	// Batch makes GetBatch and hush.GetAll read current versions with
	// BatchGetSecretValue, 20 in a call. This requires an IAM action in addition to
	// GetSecretValue. AWS allows an account 100 of these calls a second, and 10,000
	// calls of GetSecretValue, so a fleet that starts at once is slower with Batch.
	// False, or a client without a method BatchGetSecretValue like that of
	// *secretsmanager.Client, means eight single calls at a time.
	Batch bool
}

// A Provider reads from Secrets Manager. It has no cache, so every read is fresh.
type Provider struct {
	client      hidden.Of[API] // has AWS credentials
	timeout     time.Duration
	maxAttempts int
	batch       hidden.Of[batchAPI] // nil means single calls only

	lacksMetadata func() bool // this machine has no instance metadata service
}

var _ hush.BatchProvider = (*Provider)(nil)

// New returns a Provider that uses client. Nil opts means the defaults.
func New(client API, opts *Options) *Provider {
	if client == nil {
		panic("direct: client is nil")
	}
	if opts == nil {
		opts = &Options{}
	}
	p := &Provider{
		client: hidden.New(client), timeout: cmp.Or(opts.Timeout, defaultTimeout), maxAttempts: opts.MaxAttempts,
		lacksMetadata: sync.OnceValue(func() bool { return ec2.LacksMetadata(ec2.Sys) }),
	}
	if opts.Batch {
		batch, _ := client.(batchAPI)
		p.batch = hidden.New(batch)
	}
	return p
}

// Get returns the secret that ref names. If the name is an ARN, the request is for
// the region of the ARN. A custom endpoint of the client is used for every region.
//
// Some classes have causes of Secrets Manager. ErrNotFound: the secret is marked for deletion,
// or Secrets Manager does not allow its name; then Get sends no request. ErrDenied: a
// policy or KMS does not allow the read. ErrUnauthenticated: the credentials are
// invalid. ErrAbsent: the client has no credentials or no region. If AWS responded, the
// error wraps an *APIError.
//
// A request for the current version names no stage. If the response has stages without
// AWSCURRENT, Get sends one more request that names the stage, and uses its response.
//
// A client with the SDK's default configuration reads credentials from the instance
// metadata service if no others are configured. On a Linux machine that is not an EC2
// instance, Get returns ErrAbsent without a request to that service, unless
// AWS_EC2_METADATA_SERVICE_ENDPOINT is set. Get cannot detect this on other systems.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
	}
	region, err := regionOf(ref.Name)
	if err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrNotFound, err)
	}
	out, class, err := p.fetch(ctx, region, ref)
	if err != nil {
		return hush.Secret{}, hush.NewError(source, ref, class, err)
	}
	secret, err := decode(ref, out)
	if err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnavailable, err)
	}
	return ref.Select(secret)
}

// fetch returns the response, or a class and a cause. If the response to a read of the
// current version is another version, fetch sends one more request that names the
// stage, within the same timeout.
func (p *Provider) fetch(ctx context.Context, region string, ref hush.Ref) (*secretsmanager.GetSecretValueOutput, hush.Class, error) {
	limited, cancel := limit.Context(ctx, p.timeout, "Secrets Manager")
	defer cancel()
	o := p.observer(region, p.maxAttempts)
	in := input(ref)
	out, err := p.call(limited, in, o)
	if err == nil && out != nil && lacksCurrent(ref, out.VersionStages) {
		in.VersionStage = aws.String(hush.CurrentStage)
		out, err = p.call(limited, in, o)
	}
	if err == nil {
		return out, 0, nil
	}
	class, cause := o.classify(ctx, limited, err)
	return nil, class, cause
}

// call calls the client. If AWS reports a late signature, because the process was
// frozen between signing and sending, call signs and sends the request once more.
func (p *Provider) call(ctx context.Context, in *secretsmanager.GetSecretValueInput, o *observer) (*secretsmanager.GetSecretValueOutput, error) {
	out, err := p.client.Get().GetSecretValue(ctx, in, o.configure)
	if o.apiError(err).isLateSignature() && ctx.Err() == nil {
		out, err = p.client.Get().GetSecretValue(ctx, in, o.configure)
	}
	return out, err
}

func (p *Provider) observer(region string, maxAttempts int) *observer {
	return &observer{region: region, maxAttempts: maxAttempts, lacksMetadata: p.lacksMetadata}
}

func input(ref hush.Ref) *secretsmanager.GetSecretValueInput {
	key := ref.Key()
	in := &secretsmanager.GetSecretValueInput{SecretId: &key.Name}
	if key.Version != "" {
		in.VersionId = &key.Version
	}
	if key.Stage != "" {
		in.VersionStage = &key.Stage
	}
	return in
}
