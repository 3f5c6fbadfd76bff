package docs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

// TestRunbookHasEveryOutcome requires a heading in failures.md for each outcome of a log
// line, and a row for each message.
func TestRunbookHasEveryOutcome(t *testing.T) {
	content, err := os.ReadFile("failures.md")
	require.NoError(t, err)
	_, runbook, ok := strings.Cut(string(content), "\n## Runbook\n")
	require.True(t, ok)
	outcomes := []string{"ok", "skipped"}
	for class := hush.ErrNotFound; class <= hush.ErrCanceled; class++ {
		outcomes = append(outcomes, class.Error())
	}
	for _, outcome := range outcomes {
		assert.Contains(t, runbook, "\n### "+outcome+"\n")
	}
	for file, count := range map[string]int{"../chain/log.go": 3, "../config/options.go": 2} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		messages := regexp.MustCompile(`"((?:secret|breaker) [a-z ]*)"`).FindAllStringSubmatch(string(source), -1)
		require.Len(t, messages, count, file)
		for _, message := range messages {
			assert.Contains(t, runbook, "| `"+message[1], "a row for the message")
		}
	}
}
