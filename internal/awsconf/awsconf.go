// Package awsconf loads the AWS configuration and finds credentials: in the
// environment, the shared files with their profiles, and the credentials of containers
// and web identities.
//
// The instance metadata service is used only on an EC2 instance, or if the options say
// so, because elsewhere a request to it takes seconds to time out. After a source of
// credentials failed, it is not used for a second. The SDK's logger is silent. Errors
// quote no text of the SDK and no value of the configuration.
package awsconf

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/hush-secrets/hush/internal/params"
)

// Metadata says when to use the EC2 instance metadata service. It provides credentials
// and a region if they are not configured elsewhere.
type Metadata uint8

// The choices. AWS_EC2_METADATA_DISABLED=true overrides all of them.
const (
	// MetadataAuto means on an EC2 instance. Linux shows this in the firmware of the
	// machine. On other systems the service is not used.
	MetadataAuto Metadata = iota
	// MetadataOn means always.
	MetadataOn
	// MetadataOff means never.
	MetadataOff
)

// Options override the configuration that is found. The zero value overrides nothing.
type Options struct {
	Region        string            // overrides the region that is found
	DefaultRegion string            // if no region is found
	Profile       string            // of the shared files; precedes credentials in the environment
	RoleARN       string            // role to assume with the credentials that are found
	ExternalID    string            // required by the policy of some roles
	Metadata      Metadata          // when to use the instance metadata service
	Configure     func(*aws.Config) // called for each client; nil means no change
}

// Configured returns the configuration for one client.
func (o *Options) Configured(cfg aws.Config) aws.Config {
	if o.Configure != nil {
		cfg.APIOptions = slices.Clip(cfg.APIOptions) // clients share the array
		o.Configure(&cfg)
	}
	return cfg
}

// Check returns all invalid options in one error. It quotes none of them, because a
// misplaced value may be a key.
func (o *Options) Check() error {
	var faults params.Faults
	if !isRegion(o.Region) {
		faults.Add(errors.New("invalid region: must be an AWS region such as eu-west-1"))
	}
	if o.RoleARN != "" && !isRole(o.RoleARN) {
		faults.Add(errors.New("invalid role: must be the ARN of an IAM role"))
	}
	if o.ExternalID != "" && o.RoleARN == "" {
		faults.Add(errors.New("an external ID requires the ARN of a role"))
	}
	if o.Metadata > MetadataOff {
		faults.Add(errors.New("unknown value of InstanceMetadata"))
	}
	return faults.Err()
}

// isRegion reports whether text is empty or can be a region, which becomes a part of a
// host name.
func isRegion(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func isRole(text string) bool {
	a, err := arn.Parse(text)
	return err == nil && a.Service == "iam" && strings.HasPrefix(a.Resource, "role/")
}
