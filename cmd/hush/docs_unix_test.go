//go:build unix

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A step is a command of a document, and what it prints there.
type step struct{ command, printed string }

var console = regexp.MustCompile("(?m)^( *)```console\n((?s:.*?)\n) *```")

// steps returns the commands of the console blocks of a document.
func steps(text string) []step {
	var all []step
	for _, block := range console.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[2]) {
			line = strings.TrimPrefix(line, block[1])
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, step{command: strings.TrimSuffix(command, "\n")})
			} else {
				all[len(all)-1].printed += line
			}
		}
	}
	return all
}

// TestDocs runs the examples of the page, in one shell and as they stand there.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "command.md"))
	require.NoError(t, err)
	const mark = "\x01end of a step\x02\n"
	var script strings.Builder
	all := steps(string(page))
	require.Greater(t, len(all), 10)
	for _, s := range all {
		// The status is that of the command also to the next one.
		_, _ = fmt.Fprintf(&script, "%s\n{ status=$?; printf '%s'; (exit $status); }\n", s.command, strings.ReplaceAll(mark, "\n", "\\n"))
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec 2>&1\n"+script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = append(surroundings(t), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	out, _ := cmd.Output() // its status is the last command's
	printed := strings.Split(string(out), mark)
	require.Len(t, printed, len(all)+1)
	for i, s := range all {
		assert.Equal(t, strings.TrimSuffix(s.printed, "\n"), strings.TrimSuffix(printed[i], "\n"), s.command)
	}
}
