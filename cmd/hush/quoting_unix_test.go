//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

// A real shell reads back what the formats write: every byte, in several places.
func TestQuotingInARealShell(t *testing.T) {
	for _, format := range []string{formatShell, formatEnv} {
		var values []string
		for b := 1; b < 256; b++ {
			c := string([]byte{byte(b)})
			if format == formatEnv && c == "\n" {
				continue // not representable
			}
			values = append(values, c, "a"+c, c+"a", "'"+c+"'", `\`+c, "$(echo canary)"+c)
		}
		assert.Equal(t, values, readByShell(t, format, values), format)
	}
}

// readByShell writes variables with these values, and returns the values after a shell
// has sourced them.
func readByShell(t *testing.T, format string, values []string) []string {
	t.Helper()
	requests, secrets := make([]request, len(values)), make([]hush.Secret, len(values))
	for i, value := range values {
		requests[i].name, secrets[i].Value = fmt.Sprintf("V%d", i), hush.NewValue([]byte(value))
	}
	lines, err := formatter{format: format}.render(requests, secrets)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lines"), lines, 0o600))
	const script = `. ./lines; i=0; while [ $i -lt $1 ]; do eval "printf '%s\0' \"\$V$i\""; i=$((i+1)); done`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", fmt.Sprint(len(values)))
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	assert.Empty(t, stderr.String(), "the shell executed a value")
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// Unquoted bytes have no special meaning in any place of any shell.
func TestUnquotedBytesAreSafe(t *testing.T) {
	for b := range 256 {
		c := string([]byte{byte(b)})
		word := quoteIfNeeded("a" + c)
		assert.Equal(t, strings.ContainsAny(c, ";|&()<>[]{}?^\"'`$\\*~!#") || b <= ' ' || b > '~', word != "a"+c, "%q", word)
	}
	assert.Equal(t, "'=ls'", quoteIfNeeded("=ls"), "zsh expands =ls")
	assert.Equal(t, "a=b=", quoteIfNeeded("a=b="))
}
