package suggest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/internal/suggest"
)

func TestQuote(t *testing.T) {
	known := []string{"direct", "HUSH_CACHE_STALE_IF_ERROR"}
	for word, want := range map[string]string{
		"dircet":                      `"dircet"`,
		"cache.ttl":                   `"cache.ttl"`,
		"HUSH_CACHE_STALE_IF_EROR":    `"HUSH_CACHE_STALE_IF_EROR"`,
		"":                            `""`,
		"note=hunter2":                `"note"`,
		"=hunter2":                    `""`,
		strings.Repeat("a", 20):       `"aaaaaaaaaaaaaaaaaaaa"`,
		strings.Repeat("a", 21):       "of 21 bytes",
		"hunter2!":                    "of 8 bytes",
		"hunter2 x":                   "of 9 bytes",
		"é":                           "of 2 bytes",
		"user@host":                   "of 9 bytes",
		"a\nb":                        "of 3 bytes",
		"a[b":                         "of 3 bytes",
		"hvs.CAESIJ4q8yXk2mVbT1oWmDa": "of 27 bytes",
		"AZaz09.-_":                   `"AZaz09.-_"`,
	} {
		assert.Equal(t, want, suggest.Quote(word, known), word)
	}
}

func TestHint(t *testing.T) {
	assert.Equal(t, `: did you mean "direct"?`, suggest.Hint("drect", []string{"env", "direct"}))
	assert.Empty(t, suggest.Hint("hunter2", []string{"env", "direct"}))
}

// Of two that are as near the first is meant, and nothing is meant that is too far.
func TestTiesAndThreshold(t *testing.T) {
	assert.Equal(t, "bat", suggest.Closest("xat", []string{"bat", "cat"}))
	assert.Equal(t, "cat", suggest.Closest("xat", []string{"cat", "bat"}))
	assert.Equal(t, "bat", suggest.Closest("bat", []string{"cat", "bat"}))
	assert.Equal(t, "abcdef", suggest.Closest("abcdxx", []string{"abcdef"}), "two of six are a third")
	assert.Empty(t, suggest.Closest("abcxxx", []string{"abcdef"}), "three of six are half")
	assert.Empty(t, suggest.Closest("axx", []string{"abc"}))
}
