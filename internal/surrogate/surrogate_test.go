package surrogate_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/internal/surrogate"
)

func TestLone(t *testing.T) {
	for text, want := range map[string]bool{
		`"text"`:                     false,
		`"\ud83d\ude00"`:             false,
		`"\uD83D\uDE00"`:             false,
		`"\u00e9\ud83d\ude00\u0000"`: false,
		`"\ufffd"`:                   false,
		"\"\ufffd\"":                 false,
		`"\\ud800"`:                  false,
		`"\"\\\ud83d\ude00"`:         false,
		`"\ud800"`:                   true,
		`"\uDFFF"`:                   true,
		`"\ufffd\ud800"`:             true,
		`"\ud800\ufffd"`:             true,
		`"\ud800x"`:                  true,
		`"\ud800\n"`:                 true,
		`"\ud800\ud83d\ude00"`:       true,
		`"\ude00\ud83d"`:             true,
		`"\ud83d\ude00\ude00"`:       true,
		`"\\\ud800"`:                 true,
		"":                           false,
		`\`:                          false,
		`\u`:                         false,
		`\ud80`:                      false,
	} {
		assert.Equal(t, want, surrogate.Lone([]byte(text)), text)
	}
}

// FuzzLone compares Lone with the replacements of encoding/json.
func FuzzLone(f *testing.F) {
	for _, text := range []string{`\ud83d\ude00`, `\ud800`, `\\ud800`, `\ufffd\ud800`, `\ud800\ud83d\ude00`, "\ufffd", `\n`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, inner string) {
		raw := []byte(`"` + inner + `"`)
		var text string
		if !utf8.Valid(raw) || json.Unmarshal(raw, &text) != nil {
			return
		}
		// encoding/json writes U+FFFD for each lone surrogate, and for itself.
		itself := strings.Count(inner, "\ufffd") + escapes(inner)
		if want := strings.Count(text, "\ufffd") > itself; surrogate.Lone(raw) != want {
			t.Errorf("Lone of %q is %t", raw, !want)
		}
	})
}

// escapes returns the number of escapes of U+FFFD.
func escapes(inner string) (n int) {
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			continue
		}
		if i+6 <= len(inner) && strings.EqualFold(inner[i:i+6], `\ufffd`) {
			n++
		}
		i++
	}
	return n
}
