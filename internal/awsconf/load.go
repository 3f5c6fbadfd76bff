package awsconf

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/ec2"
)

const (
	attempts       = 2
	connectTimeout = 500 * time.Millisecond
	sourceTimeout  = 3 * time.Second // of one request to a source of credentials
)

// load returns the configuration, or a class and a cause. The credentials are those of
// Options.RoleARN if it is set.
func (z *Lazy[T]) load(ctx context.Context) (aws.Config, hush.Class, error) {
	metadata := z.opts.Metadata == MetadataOn || z.opts.Metadata == MetadataAuto && ec2.Machine(z.sys) == ec2.Instance
	cfg, err := config.LoadDefaultConfig(ctx, z.opts.settings(metadata)...)
	switch {
	case err != nil && ctx.Err() != nil:
		return cfg, hush.ErrUnavailable, errors.New("loading the AWS configuration took too long")
	case err != nil:
		return cfg, hush.ErrUnauthenticated, describe(err)
	case !metadata && aws.IsCredentialsProvider(cfg.Credentials, (*ec2rolecreds.Provider)(nil)):
		// The SDK falls back to the metadata service if no credentials are configured.
		if (os.Getenv("AWS_ACCESS_KEY_ID") == "") != (os.Getenv("AWS_SECRET_ACCESS_KEY") == "") {
			return cfg, hush.ErrUnauthenticated, errors.New("only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both")
		}
		return cfg, hush.ErrAbsent, errors.New("no AWS credentials are configured; set AWS_PROFILE, or give the process an IAM role")
	case !isRegion(cfg.Region):
		return cfg, hush.ErrUnavailable, errors.New("invalid region in AWS_REGION or a profile: must be an AWS region such as eu-west-1")
	}
	if metadata && cfg.Region == "" {
		if out, err := imds.NewFromConfig(cfg).GetRegion(ctx, nil); err == nil {
			cfg.Region = out.Region
		}
	}
	if z.opts.RoleARN != "" && cfg.Region == "" {
		return cfg, hush.ErrAbsent, errors.New("no AWS region is configured; set AWS_REGION, because assuming a role requires one")
	}
	cfg.Credentials = &restingSource{next: z.opts.assumeRole(cfg), now: z.now}
	return cfg, 0, nil
}

func (o *Options) settings(metadata bool) []func(*config.LoadOptions) error {
	client := awshttp.NewBuildableClient().WithTimeout(sourceTimeout).WithDialerOptions(func(d *net.Dialer) {
		d.Timeout = connectTimeout
	})
	settings := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}),
		config.WithHTTPClient(client),
		config.WithRetryer(newRetryer),
		config.WithDefaultRegion(o.DefaultRegion),
	}
	if !metadata {
		settings = append(settings, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	if o.Region != "" {
		settings = append(settings, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		settings = append(settings, config.WithSharedConfigProfile(o.Profile))
	}
	return settings
}

// assumeRole returns the credentials of Options.RoleARN, or those of cfg without one.
func (o *Options) assumeRole(cfg aws.Config) aws.CredentialsProvider {
	if o.RoleARN == "" {
		return cfg.Credentials
	}
	role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(o.Configured(cfg)), o.RoleARN, func(role *stscreds.AssumeRoleOptions) {
		role.RoleSessionName = "hush"
		if o.ExternalID != "" {
			role.ExternalID = aws.String(o.ExternalID)
		}
	})
	return aws.NewCredentialsCache(role)
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) {
			return 25*time.Millisecond + rand.N(50*time.Millisecond), nil //nolint:gosec // jitter
		})
	})
}

// describe explains an error of LoadDefaultConfig without its text, because the SDK
// quotes invalid lines.
func describe(err error) error {
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return fmt.Errorf("no profile %q in the shared AWS files", missing.Profile)
	}
	if role, ok := errors.AsType[config.SharedConfigAssumeRoleError](err); ok {
		return fmt.Errorf("profile %q in the shared AWS files assumes a role with incomplete settings", role.Profile)
	}
	if file, ok := errors.AsType[config.SharedConfigLoadError](err); ok {
		return fmt.Errorf("the shared AWS file %q cannot be read", file.Filename)
	}
	return errors.New("the AWS configuration is invalid; check the AWS_ variables and the shared AWS files")
}

// A restingSource is a source of credentials. After next failed, it returns the same
// error for failureTTL without calling next.
type restingSource struct {
	next aws.CredentialsProvider
	now  clock.Func

	mu    sync.Mutex
	err   error // of the last call; nil if it succeeded
	until clock.Instant
}

var (
	_ aws.CredentialsProvider      = (*restingSource)(nil)
	_ aws.CredentialProviderSource = (*restingSource)(nil)
)

// Retrieve returns the credentials of next, or its last error. It does not keep an error
// if ctx has ended.
func (s *restingSource) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if err := s.lastError(); err != nil {
		return aws.Credentials{}, err
	}
	keys, err := s.next.Retrieve(ctx)
	if err == nil || ctx.Err() == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err, s.until = err, s.now().Add(failureTTL)
	}
	return keys, err
}

func (s *restingSource) lastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Reached(s.until) {
		return nil
	}
	return s.err
}

// ProviderSources returns the sources of next.
func (s *restingSource) ProviderSources() []aws.CredentialSource {
	if named, ok := s.next.(aws.CredentialProviderSource); ok {
		return named.ProviderSources()
	}
	return nil
}
