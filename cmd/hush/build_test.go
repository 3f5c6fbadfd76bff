package main_test

import (
	"os"
	"testing"
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
