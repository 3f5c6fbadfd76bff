package all_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

func TestSchemes(t *testing.T) {
	c := &config.Config{}
	for _, text := range []string{"extension", "direct:?region=eu-west-1", "vault://127.0.0.1:8200/apps?auth=aws&role=app&tls=false", "env:?prefix=APP_"} {
		c.Providers = append(c.Providers, config.Store{URL: text})
	}
	p, err := config.Open(t.Context(), c, all.Schemes()...)
	require.NoError(t, err)
	var names []string
	for _, l := range p.Stores() {
		names = append(names, l.Name)
	}
	assert.Equal(t, []string{"extension", "direct", "vault", "env"}, names)
	assert.Equal(t, "direct", p.Stores()[0].Front)
	assert.NoError(t, p.Close())
}

// TestInit limits the allocations of each package during initialization, because every
// cold start pays for them. A regular expression exceeds the limit.
func TestInit(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	trace, err := cmd.CombinedOutput()
	require.NoError(t, err)
	ours := regexp.MustCompile(`init (github\.com/hush-secrets/hush\S*) .* (\d+) allocs`).FindAllStringSubmatch(string(trace), -1)
	require.NotEmpty(t, ours)
	for _, found := range ours {
		allocs, err := strconv.Atoi(found[2])
		require.NoError(t, err)
		assert.LessOrEqual(t, allocs, 20, found[1])
	}
}

func Example() {
	_, err := config.Open(context.Background(), &config.Config{Providers: []config.Store{{URL: "valut"}}}, all.Schemes()...)
	fmt.Println(err)
	// Output: config: provider 1: unknown scheme "valut": did you mean "vault"? known: extension, direct, vault, env
}
