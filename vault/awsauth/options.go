package awsauth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/hush-secrets/hush/internal/awsconf"
	"github.com/hush-secrets/hush/internal/params"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// Options are the settings of a login.
type Options struct {
	// Role is the role of Vault's auth method to log in to. Empty means the role with the
	// name of the IAM role or user that logs in.
	Role string

	// Mount is the path of the auth method, without auth/. Empty means "aws".
	Mount string

	// ServerID must equal iam_server_id_header_value of the auth method. It is signed with
	// the request, as the header X-Vault-AWS-IAM-Server-ID, so that another Vault cannot
	// use the login for this one. Empty means no header, which an auth method with that
	// setting refuses.
	ServerID string

	// Region is the region of the STS that the request is for. Vault must use the same
	// STS. Empty means sts.amazonaws.com, which serves all public regions. An auth method
	// uses it unless its sts_endpoint is set.
	//
	// With a Region, sts_endpoint must be https://sts.<region>.amazonaws.com, or
	// use_sts_region_from_client must be true. The regions of China and GovCloud require a
	// Region. A Region such as us-east-1-fips means the FIPS endpoint,
	// https://sts-fips.us-east-1.amazonaws.com.
	//
	// RoleARN is assumed in this region, too. Empty means AWS_REGION, the region of the
	// profile, or us-east-1.
	Region string

	// Profile is the section of the shared AWS files to use. It takes precedence over
	// credentials in the environment. Empty means AWS_PROFILE, or "default".
	Profile string

	// RoleARN is an IAM role to assume with these credentials, and to log in as. Empty
	// means the role of the profile, if it has one.
	RoleARN string

	// ExternalID is an ID that the policy of RoleARN may require.
	ExternalID string

	// Credentials provides the keys of each login. It excludes Profile, RoleARN and
	// ExternalID. Nil means the credentials of the environment, the shared files, a
	// container, a web identity or the metadata service of an EC2 instance. They are found
	// at the first login and kept until they expire. The metadata service is not used if
	// AWS_EC2_METADATA_DISABLED is true, or if Linux shows that this is not EC2.
	//
	// Options print and marshal without Credentials, and the login method hides them.
	// Printers that ignore methods, such as those of test diffs, show the keys of the SDK's
	// static provider p. Use aws.CredentialsProviderFunc(p.Retrieve) to hide them.
	Credentials aws.CredentialsProvider `json:"-" xml:"-" yaml:"-"`
}

func (o *Options) conf() awsconf.Options {
	return awsconf.Options{
		Region: o.Region, DefaultRegion: globalRegion,
		Profile: o.Profile, RoleARN: o.RoleARN, ExternalID: o.ExternalID,
	}
}

// check returns the mount of the auth method and what is invalid in o. The error does not
// quote an option.
func (o *Options) check() (mount string, err error) {
	var faults params.Faults
	if o.Credentials != nil && (o.Profile != "" || o.RoleARN != "") {
		faults.Add(errors.New("the option Credentials excludes Profile and RoleARN: unset one of them"))
	}
	mount, err = call.AuthMount(o.Mount, "aws")
	faults.Add(err)
	if strings.TrimSpace(o.ServerID) != o.ServerID || strings.ContainsFunc(o.ServerID, func(r rune) bool { return r < ' ' || r > '~' }) {
		faults.Add(errors.New("the server ID contains a character that is not allowed in an HTTP header"))
	}
	conf := o.conf()
	faults.Add(conf.Check())
	return mount, faults.Err()
}

// plainOptions is Options without its methods.
type plainOptions Options

// redacted replaces Credentials when Options are printed.
type redacted struct{ aws.CredentialsProvider }

func (redacted) String() string { return "[redacted]" }

// Format formats o as fmt does, with [redacted] for Credentials.
func (o Options) Format(f fmt.State, verb rune) {
	shown := plainOptions(o)
	if o.Credentials != nil {
		shown.Credentials = redacted{}
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), shown)
}

// String returns the fields of o, with [redacted] for Credentials.
func (o Options) String() string { return fmt.Sprintf("%+v", o) }
