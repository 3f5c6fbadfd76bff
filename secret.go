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

// A Secret is one version of a secret, and how it came here. Its Value hides
// itself; the rest may be printed.
type Secret struct {
	Value        Value
	Version      string    // the store's name for this version; empty where it has none
	Stages       []string  // labels on that version; read-only, shared between readers
	Created      time.Time // when the store made this version; zero: unknown
	Expires      time.Time // when a lease ends, and no cache keeps it longer; zero: never
	Source       string    // who answered: the backend's name, or the link's in a chain
	Stale        bool      // served past its TTL because the store could not be asked
	FromFallback bool      // a store before this one could not be asked

	// Metadata is what somebody has noted in the store about the secret, and no part
	// of the Value: Vault's custom metadata. Read-only; nil where the store has none.
	Metadata map[string]string
}

// Validate returns ErrUnavailable if the Version or a stage of s is not one that a Ref can
// have: it exceeds 2,048 bytes, has a control character, or is not UTF-8. A Provider
// calls it for each response, because a store must not decide how much memory a cache
// entry or how much space a log line takes.
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

// Equal reports whether s and t agree in every member. reflect.DeepEqual and
// assert.Equal do not: to them no closure, and so no Value, equals even itself.
func (s Secret) Equal(t Secret) bool {
	return s.Value.Equal(t.Value) && s.Version == t.Version && slices.Equal(s.Stages, t.Stages) &&
		s.Created.Equal(t.Created) && s.Expires.Equal(t.Expires) && s.Source == t.Source &&
		s.Stale == t.Stale && s.FromFallback == t.FromFallback && maps.Equal(s.Metadata, t.Metadata)
}

// Field returns s with a part of its JSON as the Value: the top-level member of
// that name, or what the RFC 6901 pointer names if name begins with "/". A string
// yields its text, anything else its JSON, so null is "null". An empty name is
// all of s. What is not there is ErrNotFound, never an empty Value.
func (s Secret) Field(name string) (Secret, error) {
	if name == "" {
		return s, nil
	}
	path := []string{name}
	if pointer, ok := strings.CutPrefix(name, "/"); ok {
		path = strings.Split(pointer, "/")
		for i, token := range path {
			path[i] = unpointer.Replace(token)
		}
	}
	raw := json.RawMessage(s.Value.Reveal())
	for _, token := range path {
		next, err := member(raw, token)
		if err != nil {
			return Secret{}, NewError(s.Source, Ref{Field: name}, ErrNotFound, err)
		}
		raw = next
	}
	text, err := textOf(raw)
	if err != nil {
		return Secret{}, NewError(s.Source, Ref{Field: name}, ErrNotFound, err)
	}
	s.Value = valueOf(text)
	return s, nil
}

// unpointer undoes the escapes of RFC 6901, section 4: one pass, so that ~01 is ~1.
var unpointer = strings.NewReplacer("~1", "/", "~0", "~")

func member(raw json.RawMessage, token string) (json.RawMessage, error) {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) > 0 && raw[0] == '[' {
		return element(raw, token)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil, fmt.Errorf("no field %s: not a JSON object", quote(token))
	}
	found, ok := members[token]
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

// Decode unmarshals the secret's JSON into v, as encoding/json does; members of
// type Value hold the secret parts. Its error names the place and the Go type
// and never quotes the secret, not even the offending character. If the JSON is not
// valid or does not fit v, the error is ErrInvalidValue. If v is not a pointer, it is
// a *json.InvalidUnmarshalError.
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

// A decodeError is a failure of Decode, with its class.
type decodeError struct{ error }

func (decodeError) Unwrap() error { return ErrInvalidValue }

// describe returns an error of encoding/json without the parts that quote its input.
func describe(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		// Its Value quotes a number, and with GOEXPERIMENT=jsonv2 its Field names
		// the keys of maps.
		return fmt.Errorf("hush: decode: at byte %d: the JSON does not fit type %v", e.Offset, e.Type)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("hush: decode: not JSON, from byte %d", e.Offset)
	}
	if e, ok := errors.AsType[textError](err); ok {
		return fmt.Errorf("hush: decode: %w", e)
	}
	return fmt.Errorf("hush: decode: a %T, whose text is left out because it may quote the secret", err)
}
