package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hush-secrets/hush/internal/suggest"
)

// A place is where a value is set: in a file, in a variable or, if it is zero, in code.
type place struct {
	source       string // the path of a file or the name of a variable
	line, column int    // 0 if unknown
}

func (p place) String() string {
	text := printable(p.source)
	for _, n := range []int{p.line, p.column} {
		if n > 0 {
			text = strings.TrimPrefix(fmt.Sprintf("%s:%d", text, n), ":")
		}
	}
	return cmp.Or(text, "config")
}

// A problem is one mistake in a Config.
type problem struct {
	place place
	key   string // such as cache.ttl, or empty
	err   error
}

func (p *problem) Error() string {
	if p.key == "" || p.place.source == variable(p.key) {
		return fmt.Sprintf("%s: %s", p.place, p.err)
	}
	return fmt.Sprintf("%s: %s: %s", p.place, printable(p.key), p.err)
}

func (p *problem) Unwrap() error { return p.err }

// printable returns s, in quotes if it contains a line break or another control
// character.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// maxProblems limits a report. A file with more problems is not a configuration.
const maxProblems = 100

// problems are the mistakes in a Config.
type problems struct {
	first []*problem // up to maxProblems
	more  int
}

func (ps *problems) add(at place, key string, err error) {
	switch {
	case err == nil:
	case len(ps.first) < maxProblems:
		ps.first = append(ps.first, &problem{at, key, err})
	default:
		ps.more++
	}
}

// has reports whether one of the problems is about the key in the source.
func (ps *problems) has(key, source string) bool {
	return slices.ContainsFunc(ps.first, func(p *problem) bool { return p.key == key && p.place.source == source })
}

// err returns the problems in the order of their places, one on each line.
func (ps *problems) err() error {
	sorted := slices.SortedStableFunc(slices.Values(ps.first), func(a, b *problem) int {
		p, q := a.place, b.place
		return cmp.Or(cmp.Compare(p.source, q.source), cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
	})
	var errs []error
	for _, p := range sorted {
		errs = append(errs, p)
	}
	if ps.more > 0 {
		errs = append(errs, fmt.Errorf("and %d more mistakes", ps.more))
	}
	return errors.Join(errs...)
}

// unknown returns the error for a word that is not one of known.
func unknown(what, word string, known []string) error {
	text := fmt.Sprintf("unknown %s %s%s", what, suggest.Quote(word, known), suggest.Hint(word, known))
	if !strings.HasSuffix(text, "?") {
		text += ";"
	}
	return fmt.Errorf("%s known: %s", text, cmp.Or(strings.Join(known, ", "), "none"))
}
