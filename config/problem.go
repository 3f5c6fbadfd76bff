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

// A place is where something was given: in a file, in a variable or, if it is zero,
// in code.
type place struct {
	source       string
	line, column int // 0: not known
}

func (p place) String() string {
	text := printable(p.source)
	for _, n := range []int{p.line, p.column} {
		if n > 0 {
			text = strings.TrimPrefix(fmt.Sprintf("%s:%d", text, n), ":")
		}
	}
	return text
}

// A problem is one thing that is wrong with a Config.
type problem struct {
	at  place
	key string // such as cache.ttl; empty: the place says it all
	err error
}

func (p *problem) Error() string {
	var parts []string
	switch text := p.at.String(); {
	case text != "":
		parts = append(parts, text)
	default:
		parts = append(parts, "config")
	}
	if p.key != "" && p.at.source != variable(p.key) {
		parts = append(parts, printable(p.key))
	}
	return strings.Join(append(parts, p.err.Error()), ": ")
}

func (p *problem) Unwrap() error { return p.err }

// printable is s, or s in quotes if it has what could look like a line of ours.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// maxProblems is how many are told: whoever has more has one, a file of another kind.
const maxProblems = 100

// problems are all that is wrong.
type problems struct {
	told []*problem // the first maxProblems
	more int
}

func (ps *problems) add(at place, key string, err error) {
	if err != nil {
		ps.take(&problem{at, key, err})
	}
}

func (ps *problems) take(p *problem) {
	if len(ps.told) < maxProblems {
		ps.told = append(ps.told, p)
	} else {
		ps.more++
	}
}

// err returns the problems in the order of their places, one a line.
func (ps *problems) err() error {
	sorted := slices.Clone(ps.told)
	slices.SortStableFunc(sorted, func(a, b *problem) int {
		return cmp.Or(cmp.Compare(a.at.source, b.at.source), cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	errs := make([]error, 0, len(sorted)+1)
	for _, p := range sorted {
		errs = append(errs, p)
	}
	if ps.more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", ps.more))
	}
	return errors.Join(errs...)
}

// unknown returns the error for a word that is none of known.
func unknown(what, word string, known []string) error {
	text := "none"
	if len(known) > 0 {
		text = strings.Join(known, ", ")
	}
	return fmt.Errorf("unknown %s %s; known: %s%s", what, suggest.Quote(word, known), text, suggest.Hint(word, known))
}
