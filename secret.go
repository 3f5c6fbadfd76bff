package hush

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Secret is one version of a secret. It is safe to print, because its Value prints
// as a mask.
type Secret struct {
	Value   Value
	Version string    // ID of the version in the store; empty if the store has no versions
	Stages  []string  // labels of the version; shared, so do not change them
	Created time.Time // when the version was created; zero means unknown
	Expires time.Time // end of the lease, after which no cache serves the secret; zero means no lease
	Source  string    // name of the store, or of the link of a chain, that returned it

	// Stale is set by a cache that returns the secret after its TTL, because the store
	// is unavailable or while a refresh runs.
	Stale bool

	// FromFallback is set by a chain that returns the secret from a later link because
	// an earlier link is unavailable.
	FromFallback bool

	// Metadata is the custom metadata of the secret in Vault; nil for other stores.
	// It is shared, so do not change it.
	Metadata map[string]string
}

// Validate returns ErrUnavailable if the Version or a stage of s is not valid in a
// Ref: it exceeds 2,048 bytes, contains a control character or is not valid UTF-8. A
// Provider validates each response, so that a store cannot fill the memory or the log
// of the program.
func (s Secret) Validate() error {
	what, fault := "version", faultOf(s.Version)
	for _, stage := range s.Stages {
		if fault != "" {
			break
		}
		what, fault = "stage", faultOf(stage)
	}
	if fault == "" {
		return nil
	}
	return NewError(s.Source, Ref{}, ErrUnavailable, fmt.Errorf("the %s in the response %s", what, fault))
}

// Equal reports whether all fields of s and t are equal. reflect.DeepEqual and
// assert.Equal cannot compare Secrets, because a Value contains a func.
func (s Secret) Equal(t Secret) bool {
	return s.Value.Equal(t.Value) && s.Version == t.Version && slices.Equal(s.Stages, t.Stages) &&
		s.Created.Equal(t.Created) && s.Expires.Equal(t.Expires) && s.Source == t.Source &&
		s.Stale == t.Stale && s.FromFallback == t.FromFallback && maps.Equal(s.Metadata, t.Metadata)
}

// Field returns a copy of s whose Value is a part of the JSON in s.Value. The name
// is that of a top-level member, or an RFC 6901 pointer if it starts with "/". The
// Value of a JSON string is its text; the Value of anything else is its JSON, such as
// "null". If name is empty, Field returns s. If s has no such part, Field fails with
// ErrNotFound.
func (s Secret) Field(name string) (Secret, error) { return s.field(name, new(document)) }

// field is Field. d is the document of s, which other fields may have parsed.
func (s Secret) field(name string, d *document) (Secret, error) {
	if name == "" {
		return s, nil
	}
	if d.raw == nil {
		d.raw = json.RawMessage(s.Value.Reveal())
	}
	var text string
	part, err := d.part(pathOf(name))
	if err == nil {
		text, err = textOf(part)
	}
	if err != nil {
		return Secret{}, NewError(s.Source, Ref{Field: name}, ErrNotFound, err)
	}
	s.Value = valueOf(text)
	return s, nil
}

// pathOf returns the tokens of an RFC 6901 pointer, or name alone if it is not a pointer.
func pathOf(name string) []string {
	pointer, ok := strings.CutPrefix(name, "/")
	if !ok {
		return []string{name}
	}
	path := strings.Split(pointer, "/")
	for i, token := range path {
		path[i] = pointerUnescaper.Replace(token)
	}
	return path
}

// pointerUnescaper decodes the escapes of RFC 6901, section 4, in one pass, so that
// ~01 is ~1.
var pointerUnescaper = strings.NewReplacer("~1", "/", "~0", "~")

// A document is a JSON text whose members are parsed once.
type document struct {
	raw     json.RawMessage
	members map[string]json.RawMessage // nil until parsed
}

// part returns the part of d at the end of path.
func (d *document) part(path []string) (json.RawMessage, error) {
	part, err := d.member(path[0])
	if err != nil || len(path) == 1 {
		return part, err
	}
	return (&document{raw: part}).part(path[1:])
}

// member returns the member of an object, or the element of an array.
func (d *document) member(token string) (json.RawMessage, error) {
	if raw := bytes.TrimLeft(d.raw, " \t\r\n"); len(raw) > 0 && raw[0] == '[' {
		return element(raw, token)
	}
	if d.members == nil && json.Unmarshal(d.raw, &d.members) != nil || d.members == nil {
		return nil, fmt.Errorf("no field %s: not a JSON object", quote(token))
	}
	found, ok := d.members[token]
	if !ok {
		return nil, fmt.Errorf("no field %s", quote(token))
	}
	return found, nil
}

func element(raw json.RawMessage, token string) (json.RawMessage, error) {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return nil, fmt.Errorf("no field %s: not a JSON array", quote(token))
	}
	i, err := strconv.Atoi(token)
	if err != nil || strconv.Itoa(i) != token || i < 0 || i >= len(elements) {
		return nil, fmt.Errorf("no element %s in an array", quote(token))
	}
	return elements[i], nil
}

// Decode unmarshals the JSON of the secret into v with encoding/json. Use fields of
// type Value for its secret parts. If the JSON is invalid or does not fit v, Decode
// fails with ErrInvalidValue. The error has the byte offset and the Go type, and does
// not quote the secret. If v is not a pointer, the error is a
// *json.InvalidUnmarshalError.
func (s Secret) Decode(v any) error {
	err := json.Unmarshal(s.Value.RevealBytes(), v)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.InvalidUnmarshalError](err); ok {
		return fmt.Errorf("hush: decode: %w", e)
	}
	return decodeError{describe(err)}
}

// A decodeError is an error of Decode with the class ErrInvalidValue.
type decodeError struct{ error }

func (decodeError) Unwrap() error { return ErrInvalidValue }

// describe returns err, an error of encoding/json, without the parts of the input that
// it quotes.
func describe(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		// Value quotes a number. With GOEXPERIMENT=jsonv2, Field quotes keys of maps.
		return fmt.Errorf("hush: decode: at byte %d: the JSON does not fit type %v", e.Offset, e.Type)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("hush: decode: invalid JSON at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[textError](err); ok {
		return fmt.Errorf("hush: decode: %w", e)
	}
	return fmt.Errorf("hush: decode: %T; its text is omitted because it may quote the secret", err)
}
