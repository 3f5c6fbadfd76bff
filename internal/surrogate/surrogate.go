// Package surrogate detects escapes in JSON that are not characters.
//
// In JSON, "\ud83d\ude00" is one character, written as a pair of surrogates. A surrogate
// without its partner is not a character. encoding/json replaces it by U+FFFD without an
// error, which would change a secret. It also replaces bytes that are not UTF-8.
package surrogate

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// An Error says why encoding/json would change a secret in a response.
type Error string

// Error returns the reason.
func (e Error) Error() string { return string(e) }

// The errors.
const (
	ErrLone    Error = "the response has an escape that is not a character (a lone surrogate)"
	ErrNotUTF8 Error = "the response is not UTF-8"
)

// Check returns an Error if encoding/json would replace a part of a string in the JSON
// text.
func Check(text []byte) error {
	switch {
	case !utf8.Valid(text):
		return ErrNotUTF8
	case Lone(text):
		return ErrLone
	}
	return nil
}

// Lone reports whether a string in the JSON text has an escape of a surrogate without its
// partner.
func Lone(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return false
		}
		unit, isUnit := unitOf(text[i:])
		if !isUnit {
			text = text[min(i+2, len(text)):] // another escape, such as \\
			continue
		}
		text = text[i+unitLen:]
		if !utf16.IsSurrogate(unit) {
			continue
		}
		next, isUnit := unitOf(text)
		if !isUnit || utf16.DecodeRune(unit, next) == '\ufffd' {
			return true
		}
		text = text[unitLen:]
	}
}

const unitLen = len(`\ud83d`)

// unitOf returns the UTF-16 code unit of the escape at the start of text.
func unitOf(text []byte) (unit rune, ok bool) {
	if len(text) < unitLen || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:unitLen]), 16, 16)
	return rune(n), err == nil
}
