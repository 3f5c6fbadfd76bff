package vault

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
)

// canonical returns data, which must be a JSON object, with sorted keys, without white
// space and with no more escapes than JSON needs. The same secret therefore always has
// the same bytes. Numbers are not changed.
func canonical(data json.RawMessage) (hush.Value, error) {
	if isCanonical(data) {
		return hush.NewValue(data), nil
	}
	return canonicalize(data)
}

func canonicalize(data []byte) (hush.Value, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var members map[string]any
	if decoder.Decode(&members) != nil || members == nil {
		return hush.Value{}, errUnreadable
	}
	var sorted bytes.Buffer
	encoder := json.NewEncoder(&sorted)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(members) != nil {
		return hush.Value{}, errUnreadable
	}
	return hush.NewValue(bytes.TrimSuffix(sorted.Bytes(), []byte("\n"))), nil
}

// isCanonical reports whether data, a valid JSON value, is an object that canonicalize
// would not change. Vault usually sends such objects. isCanonical does not allocate. It
// is false for data with escapes, although canonicalize may keep those.
func isCanonical(data []byte) bool {
	if len(data) == 0 || data[0] != '{' || bytes.IndexByte(data, '\\') >= 0 || !utf8.Valid(data) {
		return false
	}
	// encoding/json escapes these two.
	if bytes.Contains(data, []byte("\u2028")) || bytes.Contains(data, []byte("\u2029")) {
		return false
	}
	s := scanner{data}
	return s.value() && len(s.rest) == 0
}

// A scanner has the rest of a JSON value without escapes. Its methods consume a part of
// it and report whether that part is canonical.
type scanner struct{ rest []byte }

func (s *scanner) value() bool {
	switch s.rest[0] {
	case '{':
		return s.composite('}')
	case '[':
		return s.composite(']')
	case '"':
		s.text()
		return true
	}
	end := bytes.IndexAny(s.rest, ",]} \t\r\n")
	s.rest = s.rest[max(end, 0):]
	return end > 0
}

// composite consumes an object or an array, which ends with end.
func (s *scanner) composite(end byte) bool {
	var lastKey []byte
	for first := true; ; first = false {
		s.rest = s.rest[1:] // the opening bracket or the comma
		if first && s.rest[0] == end {
			break
		}
		if end == '}' {
			if s.rest[0] != '"' {
				return false
			}
			key := s.text()
			if !first && bytes.Compare(lastKey, key) >= 0 || s.rest[0] != ':' {
				return false
			}
			lastKey, s.rest = key, s.rest[1:]
		}
		if !s.value() || s.rest[0] != ',' && s.rest[0] != end {
			return false
		}
		if s.rest[0] == end {
			break
		}
	}
	s.rest = s.rest[1:]
	return true
}

// text consumes a string and returns the text between its quotes.
func (s *scanner) text() []byte {
	text := s.rest[1:]
	end := bytes.IndexByte(text, '"')
	s.rest = text[end+1:]
	return text[:end]
}
