package awsauth

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/hush-secrets/hush/internal/awsconf"
)

// conf returns what o says about finding credentials.
func (o *Options) conf() awsconf.Options {
	return awsconf.Options{
		Region: o.Region, DefaultRegion: globalRegion,
		Profile: o.Profile, RoleARN: o.RoleARN, ExternalID: o.ExternalID, Metadata: o.InstanceMetadata,
	}
}

// check returns what cannot work in o.
func (o *Options) check() error {
	conf := o.conf()
	told := o.Profile != "" || o.RoleARN != "" || o.InstanceMetadata != MetadataAuto
	switch {
	case o.Credentials != nil && told:
		return errors.New("AWS credentials are given, and so is how to find some")
	case !isMount(o.mount()):
		return fmt.Errorf("%q is no path of an auth method", o.Mount)
	case !isHeader(o.ServerID):
		return errors.New("the server id has a character that no HTTP header has")
	}
	return conf.Check()
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
