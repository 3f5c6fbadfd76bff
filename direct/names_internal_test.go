package direct

import (
	"strings"
	"testing"
)

// FuzzRegionOf: whatever passes can be part of a host's name, or of a request that
// means this secret alone.
func FuzzRegionOf(f *testing.F) {
	for _, seed := range []string{
		"db/prod", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db/prod-aBcDeF",
		"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x", "arn:aws:secretsmanager:a.b:1:secret:", "arn:", "a\x00b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		region, err := regionOf(name)
		if err != nil {
			return
		}
		if strings.ContainsAny(name, " \t\r\n?#&%\\\"'<>") || region != "" && strings.ContainsAny(region, "./:@") {
			t.Errorf("%q passes, region %q", name, region)
		}
		if strings.HasPrefix(name, "arn:") != (region != "") {
			t.Errorf("%q: region %q", name, region)
		}
		if region != "" && !sameARN(name, name+"-aBcDeF") {
			t.Errorf("%q is not the ARN that it is part of", name)
		}
	})
}
