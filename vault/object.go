package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
)

var errUnreadable = call.Fail(hush.ErrUnavailable, errors.New("the answer cannot be read"))

// object returns data, which must be a JSON object, with its keys sorted and no
// more escapes than JSON needs, so that the same secret is always the same bytes.
// Numbers stay as they are.
func object(data json.RawMessage) (hush.Value, error) {
	if isTidy(data) {
		return hush.NewValue(data), nil
	}
	return tidy(data)
}

// tidy makes of data what isTidy finds to be so.
func tidy(data []byte) (hush.Value, error) {
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

// isTidy reports whether data, a JSON value, is an object that is what tidy would
// make of it, as those are that Vault sends without escapes. It allocates nothing.
func isTidy(data []byte) bool {
	if len(data) == 0 || data[0] != '{' || bytes.IndexByte(data, '\\') >= 0 || !utf8.Valid(data) {
		return false
	}
	// encoding/json escapes these two.
	if bytes.Contains(data, []byte("\u2028")) || bytes.Contains(data, []byte("\u2029")) {
		return false
	}
	w := walk{data}
	return w.value() && len(w.left) == 0
}

// A walk is what is left of a JSON value without escapes.
type walk struct{ left []byte }

// value passes a value, and reports whether it is tidy.
func (w *walk) value() bool {
	switch w.left[0] {
	case '{':
		return w.object()
	case '[':
		return w.array()
	case '"':
		w.text()
		return true
	}
	end := bytes.IndexAny(w.left, ",]} \t\r\n")
	w.left = w.left[max(end, 0):]
	return end > 0
}

func (w *walk) object() bool {
	var last []byte
	for first := true; ; first = false {
		w.left = w.left[1:] // the brace or the comma
		if first && w.left[0] == '}' {
			break
		}
		if w.left[0] != '"' {
			return false
		}
		key := w.text()
		if !first && bytes.Compare(last, key) >= 0 || w.left[0] != ':' {
			return false
		}
		last, w.left = key, w.left[1:]
		if !w.value() || w.left[0] != ',' && w.left[0] != '}' {
			return false
		}
		if w.left[0] == '}' {
			break
		}
	}
	w.left = w.left[1:]
	return true
}

func (w *walk) array() bool {
	for first := true; ; first = false {
		w.left = w.left[1:] // the bracket or the comma
		if first && w.left[0] == ']' {
			break
		}
		if !w.value() || w.left[0] != ',' && w.left[0] != ']' {
			return false
		}
		if w.left[0] == ']' {
			break
		}
	}
	w.left = w.left[1:]
	return true
}

// text passes a string and returns what is between its quotes.
func (w *walk) text() []byte {
	text := w.left[1:]
	end := bytes.IndexByte(text, '"')
	w.left = text[end+1:]
	return text[:end]
}
