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

// mask stands for a Value wherever one is printed. It says how to read the
// value, because a masked password in a connection string is a night's debugging.
const mask = "[redacted hush.Value: call Reveal]"

// A textError is why a text cannot become a Value. It quotes nothing.
type textError string

func (e textError) Error() string { return string(e) }

const (
	errMasked  textError = "the text is the mask of a hush.Value, not a secret: it was marshalled somewhere on its way"
	errNotText textError = "not a JSON string in UTF-8"
)

// A Value is a secret's bytes. It prints, logs and marshals as a mask; Reveal and
// RevealBytes are the only ways to its text. The zero Value is empty.
//
// The text is held by a closure: reflection, which fmt, loggers, encoders and
// test diffs walk unexported fields with, sees a code pointer and nothing else.
type Value struct{ reveal func() string }

// NewValue returns a Value that holds a copy of b.
func NewValue(b []byte) Value { return valueOf(string(b)) }

func valueOf(s string) Value { return Value{reveal: func() string { return s }} }

// Reveal returns the secret's text.
func (v Value) Reveal() string {
	if v.reveal == nil {
		return ""
	}
	return v.reveal()
}

// RevealBytes returns a copy of the secret's bytes, which the caller may change.
func (v Value) RevealBytes() []byte { return []byte(v.Reveal()) }

// Len returns the number of bytes.
func (v Value) Len() int { return len(v.Reveal()) }

// Equal reports whether v and w hold the same bytes, in a time that depends on
// their lengths alone.
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare(v.RevealBytes(), w.RevealBytes()) == 1
}

// Format writes the mask, whatever the verb and flags.
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

// UnmarshalJSON sets v to the text of a JSON string, or to the JSON itself of
// anything else, null included. The mask is an error: a secret that went through
// JSON would otherwise come back as its mask. So is a string that is not UTF-8 or
// has a lone surrogate, where encoding/json would replace bytes.
func (v *Value) UnmarshalJSON(b []byte) error {
	text, err := textOf(b)
	if err != nil {
		return err
	}
	return v.UnmarshalText([]byte(text))
}

// UnmarshalText sets v to a copy of text. The mask is an error.
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
