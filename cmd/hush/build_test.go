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

// baseEnviron returns an environment without AWS configuration.
func baseEnviron(t testing.TB) []string {
	t.Helper()
	return []string{"HOME=" + t.TempDir(), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT"), "TMPDIR=" + t.TempDir()}
}

// 'go test' reuses a result unless the test binary has changed, and these tests run another
// binary. So the command must be a part of the test binary.
func TestCommandIsPartOfTheTestBinary(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), self(t), "get", "--provider", "env", "db")
	cmd.Env = environ(t, commandVariable+"=1", "DB=x")
	assert.Equal(t, hush(t, []string{"DB=x"}, "get", "--provider", "env", "db"), finish(t, cmd))
}

// Templates call methods by name, so that the linker would keep every method of the AWS
// SDK and of Vault's client, a quarter of the command. Cobra links text/template if a
// command sets a template.
func TestCommandLinksNoTemplateEngine(t *testing.T) {
	symbols, err := exec.CommandContext(t.Context(), "go", "tool", "nm", buildHush(t)).Output()
	require.NoError(t, err)
	has := func(symbol string) bool { return bytes.Contains(symbols, []byte(symbol)) }
	assert.True(t, has("github.com/spf13/cobra.(*Command).ExecuteC"), "the symbols of the command are not there")
	assert.False(t, has("text/template.(*state)"), "the command links package text/template")
}
