package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// buildHush returns the path of the command, which is built once for all tests.
func buildHush(t testing.TB) string {
	t.Helper()
	return binary
}

// bare are the variables of surroundings that hold nothing of AWS's.
func bare(t testing.TB) []string {
	t.Helper()
	return []string{"HOME=" + t.TempDir(), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT"), "TMPDIR=" + t.TempDir()}
}

// TestTheTestsHoldTheCommand is what 'go test' needs to know that the command changed.
func TestTheTestsHoldTheCommand(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), self(t), "get", "--provider", "env", "db")
	cmd.Env = surroundings(t, commandVariable+"=1", "DB=x")
	assert.Equal(t, hush(t, []string{"DB=x"}, "get", "--provider", "env", "db"), finish(t, cmd))
}

// TestTemplates checks that the command links no text/template engine. Templates call
// methods by name, so the linker would keep every method of the AWS SDK and of Vault's
// client, a quarter of the command. Cobra links the engine if a command sets a template.
func TestTemplates(t *testing.T) {
	symbols, err := exec.CommandContext(t.Context(), "go", "tool", "nm", buildHush(t)).Output()
	require.NoError(t, err)
	has := func(symbol string) bool { return bytes.Contains(symbols, []byte(symbol)) }
	assert.True(t, has("github.com/spf13/cobra.(*Command).ExecuteC"), "the symbols of the command are not there")
	assert.False(t, has("text/template.(*state)"), "the command links package text/template")
}
