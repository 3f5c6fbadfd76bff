package awsdirect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/hush-secrets/hush"
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

// check returns what cannot work in o.
func (o *Options) check() error {
	switch {
	case !isRegion(o.Region):
		return fmt.Errorf("%q is no AWS region", o.Region)
	case o.RoleARN != "" && !isRole(o.RoleARN):
		return fmt.Errorf("%q is no ARN of an IAM role", o.RoleARN)
	case o.ExternalID != "" && o.RoleARN == "":
		return errors.New("an external id without the ARN of a role")
	case o.InstanceMetadata > MetadataOff:
		return errors.New("an unknown choice of InstanceMetadata")
	}
	return checkEndpoint(o.Endpoint)
}

// isRegion reports whether text, which becomes part of a host's name, can be a
// region, or is empty.
func isRegion(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func isRole(text string) bool {
	a, err := arn.Parse(text)
	return err == nil && a.Service == "iam" && strings.HasPrefix(a.Resource, "role/")
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
