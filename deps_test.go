package hush_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/hush-secrets/hush"

// A linkRule is what a package may link beside the standard library, itself, the
// root, internal and golang.org/x/sync. Packages of this module are named below
// the module's path; anything else is an import path. "x/..." is x and what is
// below it.
type linkRule struct {
	pkg     string
	links   []string
	never   string // of what links allows
	testing bool   // it is for tests, and links the testing package
}

// awsConfig reads files, the environment and the metadata service.
const awsConfig = "github.com/aws/aws-sdk-go-v2/config/..."

var (
	awsLinks = []string{"github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/..."}
	zapLinks = []string{"go.uber.org/zap/...", "go.uber.org/multierr"}
	// vaultLinks are the client, without the auth methods beside it, and what it links.
	vaultLinks = []string{
		"github.com/hashicorp/vault/api", "github.com/hashicorp/errwrap", "github.com/hashicorp/go-cleanhttp", "github.com/hashicorp/go-multierror",
		"github.com/hashicorp/go-retryablehttp", "github.com/hashicorp/go-rootcerts", "github.com/hashicorp/go-secure-stdlib/...",
		"github.com/hashicorp/go-sockaddr", "github.com/hashicorp/hcl/...", "github.com/cenkalti/backoff/...", "github.com/go-jose/...",
		"github.com/mitchellh/mapstructure", "github.com/ryanuber/go-glob", "golang.org/x/net/...", "golang.org/x/text/...", "golang.org/x/time/...",
	}
	cacheLinks = []string{"github.com/puzpuzpuz/xsync/v4"} // the table of the cache, and a striped counter
	yamlLinks  = []string{"go.yaml.in/yaml/..."}
	testsLinks = []string{"github.com/stretchr/testify/...", "go.yaml.in/yaml/..."}
)

// linkRules has a rule for every package of the module: a new package states here
// what a program that imports it gets.
var linkRules = []linkRule{
	{pkg: "."},
	{pkg: "agent"},
	{pkg: "cachettl", links: cacheLinks},
	{pkg: "env"},
	{pkg: "extension"},
	{pkg: "internal/filetrust"},
	{pkg: "internal/test/breakable"},
	{pkg: "internal/clock/..."},
	{pkg: "internal/smapi"},
	{pkg: "internal/ec2"},
	{pkg: "internal/parallel"},
	{pkg: "internal/hidden"},
	{pkg: "internal/limit"},
	{pkg: "internal/params"},
	{pkg: "internal/namepattern"},
	{pkg: "internal/netfault"},
	{pkg: "internal/secretfile"},
	{pkg: "internal/suggest"},
	{pkg: "chain", links: zapLinks},
	{pkg: "config", links: slices.Concat([]string{"cachettl", "chain"}, cacheLinks, zapLinks, yamlLinks)},
	{pkg: "docs"}, // tests only
	{pkg: "config/all", links: slices.Concat([]string{"direct/...", "env", "extension", "vault/..."}, awsLinks, vaultLinks)},
	{pkg: "direct", links: awsLinks, never: awsConfig},
	{pkg: "direct/awsdirect", links: append([]string{"direct"}, awsLinks...)},
	{pkg: "direct/directtest", links: awsLinks, never: awsConfig},
	{pkg: "internal/awsconf", links: awsLinks},
	{pkg: "internal/awsfault", links: awsLinks, never: awsConfig},
	{pkg: "vault", links: append([]string{"vault/auth", "vault/internal/..."}, vaultLinks...)},
	{pkg: "vault/auth", links: append([]string{"vault/internal/..."}, vaultLinks...)},
	{pkg: "vault/awsauth", links: slices.Concat([]string{"vault/auth", "vault/internal/..."}, vaultLinks, awsLinks)},
	{pkg: "vault/internal/call", links: append([]string{"vault/internal/route"}, vaultLinks...)},
	{pkg: "vault/internal/route", links: vaultLinks},
	{pkg: "vault/vaulttest", links: vaultLinks},
	{pkg: "providertest", links: testsLinks, testing: true},
	{pkg: "internal/agentserver", links: slices.Concat([]string{"agent", "cachettl", "chain", "config/...", "direct/...", "env", "extension", "vault/..."}, cacheLinks, awsLinks, vaultLinks, yamlLinks, zapLinks)},
	{pkg: "internal/doctor", links: slices.Concat([]string{"cachettl", "chain", "config", "direct", "extension", "vault/..."}, cacheLinks, awsLinks, vaultLinks, yamlLinks, zapLinks)},
	{pkg: "cmd/...", links: slices.Concat([]string{"...", "github.com/spf13/...", "golang.org/x/sys/...", "golang.org/x/term"}, cacheLinks, awsLinks, vaultLinks, yamlLinks, zapLinks)},
	{pkg: "examples/lean", links: slices.Concat([]string{"cachettl", "chain", "config", "env", "extension"}, cacheLinks, zapLinks, yamlLinks)},
	{pkg: "examples/sign", links: slices.Concat([]string{"cachettl", "chain", "config/...", "direct/...", "env", "extension", "vault/..."}, cacheLinks, zapLinks, yamlLinks, awsLinks, vaultLinks)},
	{pkg: "examples/..."},
	{pkg: "internal/test/agentprotocol"},
	{pkg: "internal/test/canary"},
	{pkg: "internal/test/faultproxy"},
	{pkg: "internal/test/linkswap", links: testsLinks, testing: true},
	{pkg: "internal/http1"},
	{pkg: "internal/httpbody"},
	{pkg: "internal/surrogate"},
	{pkg: "internal/test/stress"},
}

// TestImports holds the import graph: what a program pays for a backend is that
// backend. It asks the go command, so that it sees what is linked and not only
// what is named.
func TestImports(t *testing.T) {
	packages := listPackages(t, "./...")
	used := map[string]bool{}
	for _, p := range packages {
		if !strings.HasPrefix(p.ImportPath+"/", module+"/") {
			continue
		}
		name := relative(p.ImportPath)
		rule, ok := ruleFor(name)
		if !assert.True(t, ok, "package %s has no rule: state in linkRules what it may link", name) {
			continue
		}
		used[rule.pkg] = true
		refused := slices.DeleteFunc(p.Deps, func(dep string) bool { return rule.allows(dep, packages) })
		assert.Empty(t, refused, "%s links what linkRules does not allow it", name)
	}
	for _, rule := range linkRules {
		assert.True(t, used[rule.pkg], "the rule for %s is for no package", rule.pkg)
	}
}

// TestLinkRules sees the rules refuse what they are there to refuse.
func TestLinkRules(t *testing.T) {
	packages := map[string]*goPackage{"net/http": {Standard: true}, "testing": {Standard: true}, "net/http/httptest": {Standard: true}}
	for _, c := range []struct {
		pkg, dep string
		want     bool
	}{
		{"env", "net/http", true},
		{"env", module, true},
		{"env", module + "/internal/limit", true},
		{"env", "golang.org/x/sync/singleflight", true},
		{"env", "testing", false},
		{"env", "net/http/httptest", false},
		{"env", "go.uber.org/zap", false},
		{"env", "example.com/unheard/of", false},
		{"env", module + "/extension", false},
		{"extension", module + "/agent", false},
		{"direct", module + "/env", false},
		{"chain", "go.uber.org/zap/zapcore", true},
		{"chain", "go.uber.org/zapx", false},
		{"direct", "github.com/aws/aws-sdk-go-v2/service/secretsmanager", true},
		{"direct", "github.com/aws/aws-sdk-go-v2/config", false},
		{"direct/awsdirect", "github.com/aws/aws-sdk-go-v2/config", true},
		{"vault", "github.com/hashicorp/vault/api", true},
		{"vault", "github.com/hashicorp/vault/api/auth/aws", false},
		{"vault", "github.com/hashicorp/vault/sdk/logical", false},
		{"vault", "github.com/aws/aws-sdk-go-v2/aws", false},
		{"vault", "go.uber.org/zap", false},
		{"vault/auth", "github.com/aws/aws-sdk-go-v2/aws", false},
		{"vault/auth", module + "/vault", false},
		{"vault/awsauth", module + "/vault", false},
		{"vault/awsauth", "github.com/aws/aws-sdk-go/aws", false},
		{"providertest", "testing", true},
		{"cmd/hush", module + "/chain", true},
		{"cmd/hush", "testing", false},
		{"cmd/hush", module + "/providertest", false},
	} {
		rule, ok := ruleFor(c.pkg)
		require.True(t, ok, c.pkg)
		assert.Equal(t, c.want, rule.allows(c.dep, packages), "%s links %s", c.pkg, c.dep)
	}
	_, ok := ruleFor("notthere")
	assert.False(t, ok, "a package without a rule")
}

func ruleFor(name string) (linkRule, bool) {
	i := slices.IndexFunc(linkRules, func(r linkRule) bool { return within(name, r.pkg) })
	if i < 0 {
		return linkRule{}, false
	}
	return linkRules[i], true
}

func (r linkRule) allows(dep string, packages map[string]*goPackage) bool {
	if !r.testing && forTests(dep) || within(dep, r.never) {
		return false
	}
	if p := packages[dep]; p != nil && p.Standard {
		return true
	}
	if within(dep, module+"/...") {
		dep = relative(dep)
	}
	always := []string{".", r.pkg, "internal/...", "golang.org/x/sync/..."}
	return slices.ContainsFunc(slices.Concat(always, r.links), func(pattern string) bool { return within(dep, pattern) })
}

// forTests reports whether no program may link dep.
func forTests(dep string) bool {
	return within(dep, "testing/...") || dep == "net/http/httptest" ||
		dep == module+"/providertest" || within(dep, "github.com/stretchr/testify/...")
}

// within reports whether an import path matches a pattern as the go command's do.
func within(name, pattern string) bool {
	tree, ok := strings.CutSuffix(pattern, "...")
	switch {
	case !ok:
		return name == pattern
	case tree == "":
		return !strings.Contains(name, ".") // any package of this module, not of another
	default:
		return strings.HasPrefix(name+"/", tree)
	}
}

func relative(importPath string) string {
	return path.Join(".", strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/"))
}

// A goPackage is what go list says of a package: Deps is all that it links.
type goPackage struct {
	ImportPath string
	Name       string
	Standard   bool
	Deps       []string
}

func listPackages(t *testing.T, patterns ...string) map[string]*goPackage {
	t.Helper()
	args := append([]string{"list", "-deps", "-json=ImportPath,Name,Standard,Deps"}, patterns...)
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		require.NoError(t, err, "%s", e.Stderr)
	}
	require.NoError(t, err)
	packages := map[string]*goPackage{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := &goPackage{}
		err := d.Decode(p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages[p.ImportPath] = p
	}
}
