package awsdirect

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsconf"
	"github.com/hush-secrets/hush/internal/params"
)

// Metadata says when to use the EC2 instance metadata service. It provides credentials
// and a region if they are not configured elsewhere.
type Metadata = awsconf.Metadata

// The values of Metadata. AWS_EC2_METADATA_DISABLED=true overrides all of them.
const (
	// MetadataAuto uses the service if Linux shows in the machine's firmware that this is
	// an EC2 instance. On other systems it does not use the service.
	MetadataAuto = awsconf.MetadataAuto
	// MetadataOn always uses the service.
	MetadataOn = awsconf.MetadataOn
	// MetadataOff never uses the service.
	MetadataOff = awsconf.MetadataOff
)

// Options are the settings of a Provider. The zero value has the documented defaults.
type Options struct {
	// Region is the region of secrets whose name is not an ARN. Empty means AWS_REGION,
	// or the region of the profile.
	Region string

	// Profile is a profile of the shared files. It takes precedence over credentials in the
	// environment. Empty means AWS_PROFILE, or "default".
	Profile string

	// RoleARN is an IAM role to assume with the credentials that are found. Empty means
	// the role of the profile, or none.
	RoleARN string

	// ExternalID is the external ID that the policy of RoleARN may require.
	ExternalID string

	// Endpoint is the URL of Secrets Manager, or of a server in its place. Empty means
	// AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL, the endpoint of the profile,
	// or that of AWS. An http URL without a loopback address is logged as a warning.
	Endpoint string

	// Logger receives that warning. Nil means slog.Default().
	Logger *slog.Logger

	// InstanceMetadata says when to use the instance metadata service. Zero means
	// MetadataAuto.
	InstanceMetadata Metadata

	// Timeout limits a Get, including the loading of the configuration and of
	// credentials. Zero means 3 s. A negative value means no timeout.
	Timeout time.Duration

	// Configure changes the configuration after it was loaded: a program can set an
	// HTTPClient, or append the middleware of otelaws to APIOptions. It is called once
	// for the client of Secrets Manager, and once for the client of STS if there is a
	// RoleARN. The timeouts in the package comment apply to the default HTTPClient only.
	// If Configure panics, each Get returns ErrUnavailable. Nil changes nothing.
	//
	// Credentials are found before Configure is called. A program that has credentials
	// passes a client to [direct.New] instead.
	Configure func(*aws.Config)

	// Batch makes GetBatch use BatchGetSecretValue, as in [direct.Options].
	Batch bool
}

// Scheme returns the scheme "direct". Its parameters are region, profile, role_arn,
// external_id, endpoint, timeout (such as 3s), instance_metadata and batch (true or
// false), as in [Options]. Each of configure is called as Options.Configure is.
func Scheme(configure ...func(*aws.Config)) hush.Scheme {
	configureAll := func(cfg *aws.Config) {
		for _, c := range configure {
			c(cfg)
		}
	}
	return hush.Scheme{Name: source, Open: func(_ context.Context, u *url.URL) (hush.Provider, error) {
		return open(u, configureAll)
	}}
}

func open(u *url.URL, configure func(*aws.Config)) (hush.Provider, error) {
	v := params.Parse(u, "region", "profile", "role_arn", "external_id", "endpoint", "timeout", "instance_metadata", "batch")
	opts := Options{
		Region: v.Text("region"), Profile: v.Text("profile"), RoleARN: v.Text("role_arn"), ExternalID: v.Text("external_id"),
		Endpoint: v.Text("endpoint"), Timeout: v.Duration("timeout"), Batch: v.Bool("batch"), Configure: configure,
	}
	if v.Has("instance_metadata") {
		opts.InstanceMetadata = MetadataOff
		if v.Bool("instance_metadata") {
			opts.InstanceMetadata = MetadataOn
		}
	}
	v.Add(opts.check())
	if err := v.Err(); err != nil {
		return nil, err
	}
	return New(&opts), nil
}

func (o *Options) conf() awsconf.Options {
	return awsconf.Options{
		Region: o.Region, Profile: o.Profile, RoleARN: o.RoleARN, ExternalID: o.ExternalID, Metadata: o.InstanceMetadata, Configure: o.Configure,
	}
}

// check returns all invalid options in one error.
func (o *Options) check() error {
	var faults params.Faults
	conf := o.conf()
	faults.Add(conf.Check())
	faults.Add(checkEndpoint(o.Endpoint))
	return faults.Err()
}

// checkEndpoint returns an error if the endpoint is not the URL of a server. It does not
// quote the endpoint, which may contain a password.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("invalid endpoint: must be an http or https URL; use https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("invalid endpoint: must have only a scheme, a host and a path; use https://host")
	}
	return nil
}

// warnPlaintext logs an http endpoint on a network, regardless of its source.
func (o *Options) warnPlaintext(endpoint string) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return
	}
	cmp.Or(o.Logger, slog.Default()).Warn("direct: the endpoint is not https, so anyone on the network can read the secrets",
		slog.String("endpoint", u.Scheme+"://"+u.Host))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
