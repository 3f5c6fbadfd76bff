package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hush-secrets/hush/internal/nearest"
)

// A place is where something was given: in a file, in a variable or, if it is zero,
// in code.
type place struct {
	source       string
	line, column int // 0: not known
}

func (p place) String() string {
	text := p.source
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
		parts = append(parts, p.key)
	}
	return strings.Join(append(parts, p.err.Error()), ": ")
}

func (p *problem) Unwrap() error { return p.err }

// problems are all that is wrong.
type problems []*problem

func (ps *problems) add(at place, key string, err error) {
	if err != nil {
		*ps = append(*ps, &problem{at, key, err})
	}
}

// err returns the problems in the order of their places, one a line.
func (ps problems) err() error {
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b *problem) int {
		return cmp.Or(cmp.Compare(a.at.source, b.at.source), cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	errs := make([]error, len(sorted))
	for i, p := range sorted {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// unknown returns the error for a word that is none of known.
func unknown(what, word string, known []string) error {
	text := "none"
	if len(known) > 0 {
		text = strings.Join(known, ", ")
	}
	return fmt.Errorf("unknown %s %s; known: %s%s", what, quote(word), text, likely(word, known))
}

// likely asks whether word was meant to be one of known, if it looks like it.
func likely(word string, known []string) string {
	if meant := nearest.To(word, known); meant != "" {
		return fmt.Sprintf(": did you mean %q?", meant)
	}
	return ""
}

// quote is %q, shortened: what is in the wrong place may be a token.
func quote(s string) string {
	const most = 40
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("of %d bytes", len(s))
}
