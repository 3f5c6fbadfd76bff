package suggest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/internal/suggest"
)

func TestClosest(t *testing.T) {
	known := []string{"ttl", "stale_if_error", "stale_wait", "max_entries", "direct", "env", "extension"}
	for word, want := range map[string]string{
		"ttl":            "ttl",
		"tll":            "ttl",
		"TTL":            "ttl",
		"tt":             "ttl",
		"ttls":           "ttl",
		"xyz":            "",
		"":               "",
		"staleIfError":   "stale_if_error",
		"stale-if-error": "stale_if_error",
		"stale_wiat":     "stale_wait",
		"max":            "",
		"drect":          "direct",
		"dircet":         "direct",
		"extenssion":     "extension",
		"vn":             "",
		"enc":            "env",
	} {
		assert.Equal(t, want, suggest.Closest(word, known), word)
	}
	assert.Empty(t, suggest.Closest("ttl", nil))
	long := strings.Repeat("x", 65)
	assert.Empty(t, suggest.Closest(long, []string{long}))
}
