package direct

import (
	"strings"
	"testing"

	"github.com/hush-secrets/hush/internal/smapi"
)

// FuzzRegionOf checks that a valid region can be a part of a host name, and a valid name
// a part of a request.
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
			t.Errorf("%q is valid, region %q", name, region)
		}
		if strings.HasPrefix(name, "arn:") != (region != "") {
			t.Errorf("%q: region %q", name, region)
		}
		if region != "" && !(smapi.Response{ARN: name + "-aBcDeF"}).IsSecret(name) {
			t.Errorf("%q does not match its full ARN", name)
		}
	})
}
