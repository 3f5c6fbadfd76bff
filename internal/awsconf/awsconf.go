// Package awsconf finds region and credentials where every AWS tool looks for them:
// in the environment, the shared files with their profiles, and the credentials of
// containers and web identities.
//
// The instance metadata service is asked only on an EC2 instance, or if told to:
// elsewhere it answers nobody, which takes seconds. A source of credentials that
// failed rests for a moment. The SDK's own logger is silent, and no error quotes
// what was found.
package awsconf

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/hush-secrets/hush/internal/params"
)

// Metadata says when the EC2 instance metadata service may be asked for
// credentials and a region that are configured nowhere else.
type Metadata uint8

// The choices. AWS_EC2_METADATA_DISABLED=true is never, whatever is chosen.
const (
	// MetadataAuto: if the machine says that it is an EC2 instance, by what Linux
	// shows of its firmware. Other systems do not say.
	MetadataAuto Metadata = iota
	// MetadataOn: always.
	MetadataOn
	// MetadataOff: never.
	MetadataOff
)

// Options are what a program says itself. The zero value leaves all to what is
// found.
type Options struct {
	Region        string // before what is found
	DefaultRegion string // where none is found
	Profile       string // the section of the shared files, then before credentials in the environment
	RoleARN       string // a role to assume with the credentials that are found
	ExternalID    string // for that role's policy
	Metadata      Metadata
	Configure     func(*aws.Config) // of each client that is made; nil: nothing to change
}

// Configured returns the configuration for one client.
func (o *Options) Configured(cfg aws.Config) aws.Config {
	if o.Configure != nil {
		cfg.APIOptions = slices.Clip(cfg.APIOptions) // clients share the rest of the array
		o.Configure(&cfg)
	}
	return cfg
}

// Check returns what cannot work in o, all at once. It quotes none of it, for what is
// in the wrong place may be a key.
func (o *Options) Check() error {
	var faults params.Faults
	if !isRegion(o.Region) {
		faults.Add(errors.New("the region is no AWS region, such as eu-west-1"))
	}
	if o.RoleARN != "" && !isRole(o.RoleARN) {
		faults.Add(errors.New("the role is no ARN of an IAM role"))
	}
	if o.ExternalID != "" && o.RoleARN == "" {
		faults.Add(errors.New("an external id without the ARN of a role"))
	}
	if o.Metadata > MetadataOff {
		faults.Add(errors.New("an unknown choice of InstanceMetadata"))
	}
	return faults.Err()
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
