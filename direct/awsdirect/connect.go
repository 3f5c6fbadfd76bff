package awsdirect

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
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/hush-secrets/hush"
)

const (
	attempts       = 2
	connectTimeout = 500 * time.Millisecond
	loadTimeout    = defaultTimeout // of files, and of the metadata service's region
	sourceTimeout  = defaultTimeout // of one answer of a source of credentials
)

// connect loads the configuration and makes a client of it, or says why not.
func (p *Provider) connect(ctx context.Context) (*secretsmanager.Client, hush.Class, error) {
	metadata := p.metadata()
	cfg, err := config.LoadDefaultConfig(ctx, p.settings(metadata)...)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, hush.ErrUnavailable, errors.New("loading the AWS configuration took too long")
	case err != nil:
		return nil, hush.ErrUnauthenticated, loadFault(err)
	case !metadata && aws.IsCredentialsProvider(cfg.Credentials, (*ec2rolecreds.Provider)(nil)):
		// What the SDK falls back to when nobody configured anything.
		if half := halfCredentials(); half != nil {
			return nil, hush.ErrUnauthenticated, half
		}
		return nil, hush.ErrAbsent, errors.New("no AWS credentials are configured")
	case !isRegion(cfg.Region):
		return nil, hush.ErrUnavailable, fmt.Errorf("%q, from AWS_REGION or a profile, is no AWS region", cfg.Region)
	}
	if metadata && cfg.Region == "" {
		cfg.Region = machineRegion(ctx, cfg)
	}
	if p.opts.RoleARN != "" && cfg.Region == "" {
		return nil, hush.ErrAbsent, errors.New("no AWS region is configured, and assuming a role needs one")
	}
	return p.client(cfg), 0, nil
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

// client returns a client with the limits of the package.
func (p *Provider) client(cfg aws.Config) *secretsmanager.Client {
	cfg.Credentials = &patient{next: p.assumed(cfg), now: p.now}
	return secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) {
		if p.opts.Endpoint != "" {
			o.BaseEndpoint = aws.String(p.opts.Endpoint)
		}
		if client, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
			// Frozen, or a defaults mode would set the connect timeout. Without the
			// sources' timeout: a call has the one of Options.
			o.HTTPClient = client.WithTimeout(0).Freeze()
		}
	})
}

// settings are what the SDK is told beside what it finds.
func (p *Provider) settings(metadata bool) []func(*config.LoadOptions) error {
	client := awshttp.NewBuildableClient().WithTimeout(sourceTimeout).WithDialerOptions(func(d *net.Dialer) {
		d.Timeout = connectTimeout
	})
	settings := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}),
		config.WithHTTPClient(client),
		config.WithRetryer(newRetryer),
	}
	if !metadata {
		settings = append(settings, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	if p.opts.Region != "" {
		settings = append(settings, config.WithRegion(p.opts.Region))
	}
	if p.opts.Profile != "" {
		settings = append(settings, config.WithSharedConfigProfile(p.opts.Profile))
	}
	return settings
}

// machineRegion returns the region of this EC2 instance, or none.
func machineRegion(ctx context.Context, cfg aws.Config) string {
	out, err := imds.NewFromConfig(cfg).GetRegion(ctx, nil)
	if err != nil {
		return "" // which is then said to be missing
	}
	return out.Region
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) {
			return 25*time.Millisecond + rand.N(50*time.Millisecond), nil //nolint:gosec // jitter
		})
	})
}

// assumed returns cfg's credentials, or those of the role that they may assume.
func (p *Provider) assumed(cfg aws.Config) aws.CredentialsProvider {
	if p.opts.RoleARN == "" {
		return cfg.Credentials
	}
	role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), p.opts.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "hush"
		if p.opts.ExternalID != "" {
			o.ExternalID = aws.String(p.opts.ExternalID)
		}
	})
	return aws.NewCredentialsCache(role)
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
