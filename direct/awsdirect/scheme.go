package awsdirect

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsconf"
	"github.com/hush-secrets/hush/internal/params"
)

// Scheme opens "direct:" with the parameters region, profile, role_arn,
// external_id, endpoint, timeout (such as 3s), instance_metadata and batch (true or
// false), each as in Options. Each of configure is called as Options.Configure is.
func Scheme(configure ...func(*aws.Config)) hush.Scheme {
	s := schemer{configure}
	return hush.Scheme{Name: name, Open: s.open}
}

// A schemer opens URLs with the hooks of the program.
type schemer struct{ configure []func(*aws.Config) }

func (s schemer) apply(cfg *aws.Config) {
	for _, configure := range s.configure {
		configure(cfg)
	}
}

func (s schemer) open(_ context.Context, u *url.URL) (hush.Provider, error) {
	v := params.Parse(u, "region", "profile", "role_arn", "external_id", "endpoint", "timeout", "instance_metadata", "batch")
	opts := Options{
		Region: v.Text("region"), Profile: v.Text("profile"), RoleARN: v.Text("role_arn"), ExternalID: v.Text("external_id"),
		Endpoint: v.Text("endpoint"), Timeout: v.Duration("timeout"), Batch: v.Bool("batch"),
		Configure: s.apply,
	}
	if v.Has("instance_metadata") {
		opts.InstanceMetadata = MetadataOff
		if v.Bool("instance_metadata") {
			opts.InstanceMetadata = MetadataOn
		}
	}
	conf := opts.conf()
	v.Add(conf.Check())
	v.Add(checkEndpoint(opts.Endpoint))
	if err := v.Err(); err != nil {
		return nil, err
	}
	return New(&opts), nil
}

// conf returns what o says about finding the configuration.
func (o *Options) conf() awsconf.Options {
	return awsconf.Options{
		Region: o.Region, Profile: o.Profile, RoleARN: o.RoleARN, ExternalID: o.ExternalID, Metadata: o.InstanceMetadata, Configure: o.Configure,
	}
}

// check returns what cannot work in o.
func (o *Options) check() error {
	conf := o.conf()
	if err := conf.Check(); err != nil {
		return err
	}
	return checkEndpoint(o.Endpoint)
}
