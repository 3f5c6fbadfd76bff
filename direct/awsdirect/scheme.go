package awsdirect

import (
	"context"
	"errors"
	"net"
	"net/url"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsconf"
	"github.com/hush-secrets/hush/internal/params"
)

// Scheme opens "direct:" with the parameters region, profile, role_arn,
// external_id, endpoint, timeout (such as 3s), instance_metadata and batch (true or
// false), each as in Options.
func Scheme() hush.Scheme {
	return hush.Scheme{Name: name, Open: open}
}

func open(_ context.Context, u *url.URL) (hush.Provider, error) {
	values, err := params.Parse(u, "region", "profile", "role_arn", "external_id", "endpoint", "timeout", "instance_metadata", "batch")
	if err != nil {
		return nil, err
	}
	opts := Options{
		Region: values["region"], Profile: values["profile"],
		RoleARN: values["role_arn"], ExternalID: values["external_id"], Endpoint: values["endpoint"],
	}
	if opts.Timeout, err = params.Duration(values, "timeout"); err != nil {
		return nil, err
	}
	if opts.Batch, err = params.Bool(values, "batch"); err != nil {
		return nil, err
	}
	if _, told := values["instance_metadata"]; told {
		on, err := params.Bool(values, "instance_metadata")
		if err != nil {
			return nil, err
		}
		opts.InstanceMetadata = MetadataOff
		if on {
			opts.InstanceMetadata = MetadataOn
		}
	}
	if err := opts.check(); err != nil {
		return nil, err
	}
	return New(&opts), nil
}

// conf returns what o says about finding the configuration.
func (o *Options) conf() awsconf.Options {
	return awsconf.Options{
		Region: o.Region, Profile: o.Profile, RoleARN: o.RoleARN, ExternalID: o.ExternalID, Metadata: o.InstanceMetadata,
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

// checkEndpoint refuses an endpoint that would send secrets in the clear over a
// network. It does not quote it: there may be a password in it.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the endpoint is no http or https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the endpoint is more than scheme, host and path")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("the endpoint is http and not on loopback: secrets travel by https")
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
