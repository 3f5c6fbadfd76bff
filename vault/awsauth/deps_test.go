package awsauth_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLinks: Vault's own helper links version 1 of the SDK, which adds 14 MB to a
// program.
func TestLinks(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "github.com/aws/aws-sdk-go-v2/aws/signer/v4\n")
	for _, never := range []string{"github.com/aws/aws-sdk-go/", "github.com/hashicorp/vault/api/auth/", "github.com/hashicorp/go-secure-stdlib/awsutil"} {
		assert.NotContains(t, string(out), never)
	}
	assert.NotContains(t, strings.Fields(string(out)), "testing")
}
