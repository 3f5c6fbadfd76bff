package providertest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

// The names of Google Secret Manager and of Azure Key Vault, whose names do not
// differ in case.
var (
	gcp   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	azure = regexp.MustCompile(`^[A-Za-z0-9-]{1,127}$`)
)

var oddInGCP = []string{"With_under-dash", strings.Repeat("x", 255)}

func TestStoresWithNamesOfTheirOwn(t *testing.T) {
	for name, rules := range map[string]providertest.Harness{
		"gcp":   {ValidName: gcp.MatchString, OddNames: oddInGCP},
		"azure": {ValidName: azure.MatchString, OddNames: []string{"with-dash", strings.Repeat("x", 127)}, FoldsNames: true},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(*testing.T) providertest.Harness {
				m := &providertest.Map{}
				key := func(name string) string {
					if rules.FoldsNames {
						return strings.ToLower(name)
					}
					return name
				}
				put := func(name string, value []byte) {
					require.True(t, rules.ValidName(name), "the suite stores %q", name)
					m.Put(key(name), value)
				}
				h := rules
				h.Put, h.Rotate, h.Deny = put, put, func(name string) { m.Deny(key(name)) }
				h.Provider = before(m, func(ref hush.Ref) hush.Ref {
					if rules.ValidName(ref.Name) {
						ref.Name = key(ref.Name)
					}
					return ref
				})
				return h
			})
		})
	}
}
