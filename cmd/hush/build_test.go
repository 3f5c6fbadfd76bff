package main_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
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
