package docs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/test/agentprotocol"
)

// TestAgentPageHasEveryResponse compares the table of responses in agent.md with the table of
// the tests.
func TestAgentPageHasEveryResponse(t *testing.T) {
	page, err := os.ReadFile("agent.md")
	require.NoError(t, err)
	documented := map[string]bool{} // "status text", the text up to an ellipsis
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		for _, code := range inlineCode.FindAllString(cells[3], -1) {
			text, _, _ := strings.Cut(strings.Trim(code, "`"), "…")
			documented[strings.TrimSpace(cells[2])+" "+text] = true
		}
	}
	assertDocumented := func(status int, text string) {
		t.Helper()
		want := fmt.Sprint(status, " ", text)
		for got := range documented {
			if got == want || strings.HasSuffix(got, " ") && strings.HasPrefix(want, got) {
				return
			}
		}
		assert.Fail(t, "not in agent.md", want)
	}
	for _, test := range agentprotocol.Cases("token") {
		assertDocumented(test.Status, test.Body)
	}
	for _, e := range agentprotocol.Errors {
		assertDocumented(e.Status, e.Type)
	}
}
