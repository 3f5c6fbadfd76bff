// Package nearest finds the word that a mistyped one was meant to be.
package nearest

import "strings"

// To returns the one of known that word is likely meant to be, or "" if there is
// none: the first with the fewest letters to add, drop, change or swap with their
// neighbour, which are at most a third of its own, and one in any case. Capitals are
// as good as small letters. A word of more than 64 bytes is meant to be nothing.
func To(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, fewest := "", 65
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < fewest && d <= max(1, len(k)/3) {
			best, fewest = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance of a and b, in bytes.
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
