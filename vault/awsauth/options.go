package awsauth

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/hush-secrets/hush/internal/awsconf"
	"github.com/hush-secrets/hush/internal/params"
)

// conf returns what o says about finding credentials.
func (o *Options) conf() awsconf.Options {
	return awsconf.Options{
		Region: o.Region, DefaultRegion: globalRegion,
		Profile: o.Profile, RoleARN: o.RoleARN, ExternalID: o.ExternalID, Metadata: o.InstanceMetadata,
	}
}

// check returns what cannot work in o, and quotes none of it.
func (o *Options) check() error {
	var faults params.Faults
	if o.Credentials != nil && (o.Profile != "" || o.RoleARN != "" || o.InstanceMetadata != MetadataAuto) {
		faults.Add(errors.New("AWS credentials are given, and so is how to find some"))
	}
	if !isMount(o.mount()) {
		faults.Add(errors.New("the mount is no path of an auth method"))
	}
	if !isHeader(o.ServerID) {
		faults.Add(errors.New("the server id has a character that no HTTP header has"))
	}
	conf := o.conf()
	faults.Add(conf.Check())
	return faults.Err()
}

func (o *Options) mount() string { return cmp.Or(strings.Trim(o.Mount, "/"), defaultMount) }

// isMount reports whether path, below auth/, stays there.
func isMount(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || !isHeader(segment) {
			return false
		}
	}
	return !strings.HasPrefix(path, "auth/")
}

// isHeader reports whether text can be a header's value as it is.
func isHeader(text string) bool {
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	return strings.TrimSpace(text) == text && !strings.ContainsFunc(text, odd)
}

// plain is Options without its methods.
type plain Options

// redacted stands for the Credentials of Options wherever those are printed.
type redacted struct{ aws.CredentialsProvider }

func (redacted) String() string { return "[redacted]" }

// Format formats o as fmt does, with [redacted] for Credentials.
func (o Options) Format(f fmt.State, verb rune) {
	shown := plain(o)
	if o.Credentials != nil {
		shown.Credentials = redacted{}
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), shown)
}

// String returns the fields of o, with [redacted] for Credentials.
func (o Options) String() string { return fmt.Sprintf("%+v", o) }
