// Package namepattern matches the names of secrets with patterns. The syntax is that of
// [path.Match], except that a set or a range never matches a slash. A wildcard therefore
// matches within one segment of a name.
package namepattern

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Pattern matches whole names. The zero value matches the empty name only.
type Pattern struct{ tokens []token }

// A token matches one character, or any number of characters.
type token struct {
	kind    kind
	literal rune
	negated bool
	ranges  [][2]rune
}

type kind byte

const (
	literal kind = iota
	star         // any number of characters
	single       // one character
	set          // one character of a set
)

// Parse parses a pattern. It returns [path.ErrBadPattern] for an invalid pattern, and for
// text that is not valid UTF-8.
func Parse(text string) (Pattern, error) {
	if _, err := path.Match(text, ""); err != nil || !utf8.ValidString(text) {
		return Pattern{}, path.ErrBadPattern
	}
	var p Pattern
	for text != "" {
		var t token
		t, text = cutToken(text)
		p.tokens = append(p.tokens, t)
	}
	return p, nil
}

// cutToken splits the first token off text, which is a valid pattern.
func cutToken(text string) (t token, rest string) {
	switch text[0] {
	case '*':
		return token{kind: star}, text[1:]
	case '?':
		return token{kind: single}, text[1:]
	case '[':
		return cutSet(text[1:])
	}
	c, rest := cutRune(text)
	return token{literal: c}, rest
}

func cutSet(text string) (t token, rest string) {
	t.kind = set
	text, t.negated = strings.CutPrefix(text, "^")
	for first := true; first || text[0] != ']'; first = false {
		var low rune
		low, text = cutRune(text)
		high := low
		if text[0] == '-' {
			high, text = cutRune(text[1:])
		}
		t.ranges = append(t.ranges, [2]rune{low, high})
	}
	return t, text[1:]
}

// cutRune splits the first character off text. A backslash escapes a character.
func cutRune(text string) (c rune, rest string) {
	text = strings.TrimPrefix(text, `\`)
	c, size := utf8.DecodeRuneInString(text)
	return c, text[size:]
}

// Match reports whether p matches name.
func (p Pattern) Match(name string) bool { return p.match(name, token.matches) }

// MatchVariable reports whether p matches every name with the same environment variable as
// name, if these names differ only where wildcards match. The mapping to variables ignores
// case, and replaces each character that is not an ASCII letter or digit by an underscore.
// Wildcards therefore match only letters and digits, and a negated set excludes both cases
// of a letter.
func (p Pattern) MatchVariable(name string) bool { return p.match(name, token.matchesVariable) }

// match compares name with the tokens. After a mismatch, the last star matches one more
// character. This is sufficient because all stars match the same characters.
func (p Pattern) match(name string, matches func(token, rune) bool) bool {
	if !utf8.ValidString(name) {
		return false
	}
	tokens := p.tokens
	var afterStar []token
	var retry string
	for name != "" || len(tokens) > 0 {
		if len(tokens) > 0 && tokens[0].kind == star {
			afterStar, retry = tokens[1:], name
			tokens = tokens[1:]
			continue
		}
		c, size := utf8.DecodeRuneInString(name)
		if size > 0 && len(tokens) > 0 && matches(tokens[0], c) {
			name, tokens = name[size:], tokens[1:]
			continue
		}
		c, size = utf8.DecodeRuneInString(retry)
		if size == 0 || !matches(token{kind: single}, c) {
			return false
		}
		retry = retry[size:]
		name, tokens = retry, afterStar
	}
	return true
}

func (t token) matches(c rune) bool {
	switch {
	case t.kind == literal:
		return c == t.literal
	case c == '/':
		return false
	case t.kind == set:
		return t.contains(c) != t.negated
	}
	return true
}

func (t token) matchesVariable(c rune) bool {
	switch {
	case t.kind == literal:
		return c == t.literal
	case c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c):
		return false
	case t.negated:
		return !t.contains(unicode.ToLower(c)) && !t.contains(unicode.ToUpper(c))
	}
	return t.matches(c)
}

func (t token) contains(c rune) bool {
	for _, r := range t.ranges {
		if r[0] <= c && c <= r[1] {
			return true
		}
	}
	return false
}
