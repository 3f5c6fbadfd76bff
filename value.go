package hush

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"unicode/utf8"

	"github.com/hush-secrets/hush/internal/surrogate"
)

// mask is the printed form of every Value. It says how to get the text, because a
// masked password in a connection string is hard to track down.
const mask = "[redacted hush.Value: call Reveal]"

// A textError is the reason why a text is not valid for a Value.
type textError string

func (e textError) Error() string { return string(e) }

const (
	errMasked  textError = "the text is the mask of a hush.Value, not a secret; it was marshaled before: use Reveal there"
	errNotText textError = "not a valid JSON string in UTF-8"
)

// A Value holds the bytes of a secret. It prints, logs and marshals as a mask. Only
// Reveal and RevealBytes return the bytes. The zero Value is empty.
//
// A closure holds the bytes. Loggers, encoders, fmt and test diffs read unexported
// fields by reflection, and reflection sees only a code pointer.
type Value struct{ reveal func() string }

// NewValue returns a Value that holds a copy of b.
func NewValue(b []byte) Value { return valueOf(string(b)) }

func valueOf(s string) Value { return Value{reveal: func() string { return s }} }

// Reveal returns the bytes as a string.
func (v Value) Reveal() string {
	if v.reveal == nil {
		return ""
	}
	return v.reveal()
}

// RevealBytes returns a copy of the bytes.
func (v Value) RevealBytes() []byte { return []byte(v.Reveal()) }

// Len returns the number of bytes.
func (v Value) Len() int { return len(v.Reveal()) }

// Equal reports whether v and w hold the same bytes. Its duration depends only on
// their lengths.
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare(v.RevealBytes(), w.RevealBytes()) == 1
}

// Format writes the mask for every verb and every flag.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// String returns the mask.
func (v Value) String() string { return mask }

// GoString returns the mask.
func (v Value) GoString() string { return mask }

// MarshalText returns the mask, also for XML and YAML.
func (v Value) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalJSON returns the mask as a JSON string.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(mask) }

// LogValue returns the mask for log/slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(mask) }

// UnmarshalJSON sets v to the text of a JSON string, or to the JSON of anything else,
// including null. It fails for the mask, because the mask of a marshaled Value is not
// the secret. It also fails for a string that is not valid UTF-8 or has a lone
// surrogate, because encoding/json would replace bytes.
func (v *Value) UnmarshalJSON(b []byte) error {
	text, err := textOf(b)
	if err != nil {
		return err
	}
	return v.UnmarshalText([]byte(text))
}

// UnmarshalText sets v to a copy of text. It fails for the mask.
func (v *Value) UnmarshalText(text []byte) error {
	if string(text) == mask {
		return errMasked
	}
	*v = NewValue(text)
	return nil
}

// textOf returns the text of a JSON string, or the JSON of anything else.
func textOf(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || raw[0] != '"' {
		return string(raw), nil
	}
	var text string
	if !utf8.Valid(raw) || json.Unmarshal(raw, &text) != nil || surrogate.Lone(raw) {
		return "", errNotText
	}
	return text, nil
}
