package awsconf

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
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
	"github.com/hush-secrets/hush/internal/ec2"
)

const (
	attempts       = 2
	connectTimeout = 500 * time.Millisecond
	sourceTimeout  = 3 * time.Second // of one answer of a source of credentials
)

// load loads the configuration, or says why not. Its credentials are those of the
// role, if there is one to assume, and its client connects within half a second.
func (z *Lazy[T]) load(ctx context.Context) (aws.Config, hush.Class, error) {
	metadata := z.opts.Metadata == MetadataOn || z.opts.Metadata == MetadataAuto && ec2.Machine(z.sys) == ec2.Instance
	cfg, err := config.LoadDefaultConfig(ctx, z.opts.settings(metadata)...)
	switch {
	case err != nil && ctx.Err() != nil:
		return cfg, hush.ErrUnavailable, errors.New("loading the AWS configuration took too long")
	case err != nil:
		return cfg, hush.ErrUnauthenticated, loadFault(err)
	case !metadata && aws.IsCredentialsProvider(cfg.Credentials, (*ec2rolecreds.Provider)(nil)):
		// What the SDK falls back to when nobody configured anything.
		if half := halfCredentials(); half != nil {
			return cfg, hush.ErrUnauthenticated, half
		}
		return cfg, hush.ErrAbsent, errors.New("no AWS credentials are configured")
	case !isRegion(cfg.Region):
		return cfg, hush.ErrUnavailable, errors.New("what AWS_REGION or a profile says is no AWS region, such as eu-west-1")
	}
	if metadata && cfg.Region == "" {
		cfg.Region = machineRegion(ctx, cfg)
	}
	if z.opts.RoleARN != "" && cfg.Region == "" {
		return cfg, hush.ErrAbsent, errors.New("no AWS region is configured, and assuming a role needs one")
	}
	cfg.Credentials = &patient{next: z.opts.assumed(cfg), now: z.now}
	return cfg, 0, nil
}

// settings are what the SDK is told beside what it finds.
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

// assumed returns cfg's credentials, or those of the role that they may assume.
func (o *Options) assumed(cfg aws.Config) aws.CredentialsProvider {
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

// halfCredentials returns what is wrong if the environment has a part of a key, of
// which the SDK takes no notice.
func halfCredentials() error {
	id, secret := os.Getenv("AWS_ACCESS_KEY_ID") != "", os.Getenv("AWS_SECRET_ACCESS_KEY") != ""
	switch {
	case id && !secret:
		return errors.New("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY")
	case secret && !id:
		return errors.New("AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID")
	}
	return nil
}

// loadFault says what is wrong with the configuration. The SDK's own errors quote
// the lines that they could not read.
func loadFault(err error) error {
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return fmt.Errorf("no profile %q in the shared AWS files", missing.Profile)
	}
	if role, ok := errors.AsType[config.SharedConfigAssumeRoleError](err); ok {
		return fmt.Errorf("profile %q in the shared AWS files assumes a role that it does not fully describe", role.Profile)
	}
	if file, ok := errors.AsType[config.SharedConfigLoadError](err); ok {
		return fmt.Errorf("the shared AWS file %q cannot be read", file.Filename)
	}
	return errors.New("the AWS configuration is not valid: a variable or a line of the shared files")
}
