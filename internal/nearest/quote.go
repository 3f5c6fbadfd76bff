package nearest

import (
	"fmt"
	"strconv"
	"strings"
)

// most is the bytes of a word that is shown though it is like none that is known.
const most = 20

// Quote returns word as an error may show it: in quotes if it is like one of known,
// or short and plain, and else as "of 40 bytes". What is in the wrong place may be a
// token or a password. What follows an equals sign is a value, and left out.
func Quote(word string, known []string) string {
	word, _, _ = strings.Cut(word, "=")
	if To(word, known) != "" || len(word) <= most && isPlain(word) {
		return strconv.Quote(word)
	}
	return fmt.Sprintf("of %d bytes", len(word))
}

// Hint asks whether word was meant to be one of known, after a colon; it is empty if
// word is like none of them.
func Hint(word string, known []string) string {
	if meant := To(word, known); meant != "" {
		return fmt.Sprintf(": did you mean %q?", meant)
	}
	return ""
}

// isPlain reports whether word has nothing but letters and digits of ASCII and any of
// . - _ in it.
func isPlain(word string) bool {
	for _, c := range []byte(word) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(".-_", c) < 0 {
			return false
		}
	}
	return true
}
