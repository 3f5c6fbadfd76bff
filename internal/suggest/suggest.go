// Package suggest finds the known word that a mistyped word resembles, and shows
// unknown words in errors without printing a secret.
package suggest

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxWord  = 64 // bytes of a word that is compared
	maxPlain = 20 // bytes of an unknown word that Quote shows
)

// Closest returns the word of known that word most likely stands for, or "" if
// there is none. That is the first word with the smallest edit distance, which is
// at most a third of its length, and at least 1 is allowed. Letter case does not
// count. A word of more than 64 bytes has no match.
func Closest(word string, known []string) string {
	if len(word) > maxWord {
		return ""
	}
	best, fewest := "", maxWord+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < fewest && d <= max(1, len(k)/3) {
			best, fewest = k, d
		}
	}
	return best
}

// Hint returns `: did you mean "x"?` if word resembles a known word, or "".
func Hint(word string, known []string) string {
	if closest := Closest(word, known); closest != "" {
		return fmt.Sprintf(": did you mean %q?", closest)
	}
	return ""
}

// Quote returns word as an error may show it: quoted if it resembles a known word or
// is short and plain, and otherwise as "of 40 bytes", because a word in the wrong
// place may be a token or a password. Quote drops an equals sign and the value
// after it.
func Quote(word string, known []string) string {
	word, _, _ = strings.Cut(word, "=")
	if Closest(word, known) != "" || len(word) <= maxPlain && isPlain(word) {
		return strconv.Quote(word)
	}
	return fmt.Sprintf("of %d bytes", len(word))
}

// isPlain reports whether word consists of ASCII letters, digits and ". - _".
func isPlain(word string) bool {
	for _, c := range []byte(word) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(".-_", c) < 0 {
			return false
		}
	}
	return true
}

// distance returns the optimal string alignment distance of a and b, in bytes.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
