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

// What the formats write, the shell of this system reads back: every byte, and where
// it could mean something.
func TestQuotingForARealShell(t *testing.T) {
	for _, format := range []string{formatShell, formatEnv} {
		var values []string
		for b := 1; b < 256; b++ {
			c := string([]byte{byte(b)})
			if format == formatEnv && c == "\n" {
				continue // refused
			}
			values = append(values, c, "a"+c, c+"a", "'"+c+"'", `\`+c, "$(echo canary)"+c)
		}
		assert.Equal(t, values, readByShell(t, format, values), format)
	}
}

// readByShell returns what variables with these values are to a shell that sources
// the format.
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
	assert.Empty(t, stderr.String(), "it ran something")
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// What is not quoted means itself in every place of every shell: also where this
// one's assignments would forgive it.
func TestUnquotedIsHarmless(t *testing.T) {
	for b := range 256 {
		c := string([]byte{byte(b)})
		word := quoteIfNeeded("a" + c)
		assert.Equal(t, strings.ContainsAny(c, ";|&()<>[]{}?^\"'`$\\*~!#") || b <= ' ' || b > '~', word != "a"+c, "%q", word)
	}
	assert.Equal(t, "'=ls'", quoteIfNeeded("=ls"), "which zsh looks for in PATH")
	assert.Equal(t, "a=b=", quoteIfNeeded("a=b="))
}
