package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
)

// canaryText is part of every value that the suite stores. It must not appear in an
// error or a log.
const canaryText = "canary-b1f7-d0"

// A suite is the state of one rule.
type suite struct {
	*testing.T
	Harness
}

func newSuite(t *testing.T, h Harness) *suite {
	s := &suite{T: t, Harness: h}
	s.Put = func(name string, value []byte) { h.Put(s.validName(name), s.asStored(value)) }
	if h.Rotate != nil {
		s.Rotate = func(name string, value []byte) { h.Rotate(s.validName(name), s.asStored(value)) }
	}
	if h.Deny != nil {
		s.Deny = func(name string) { h.Deny(s.validName(name)) }
	}
	return s
}

func (s *suite) isValid(name string) bool { return s.ValidName == nil || s.ValidName(name) }

// validName returns name, with "-" for "/" if the store does not allow a slash.
func (s *suite) validName(name string) string {
	if s.isValid(name) {
		return name
	}
	flat := strings.ReplaceAll(name, "/", "-")
	if !s.isValid(flat) {
		s.Fatalf("providertest: ValidName must allow %q or %q", name, flat)
	}
	return flat
}

// putLookalikes stores secrets under the names that a Provider could make of an
// invalid name if it replaced characters.
func (s *suite) putLookalikes(name string) {
	if s.FoldsNames {
		return
	}
	for _, replacement := range []string{"-", "_", ""} {
		var b strings.Builder
		for _, r := range name {
			if s.isValid("a" + string(r) + "a") {
				b.WriteRune(r)
			} else {
				b.WriteString(replacement)
			}
		}
		if lookalike := b.String(); s.isValid(lookalike) {
			s.Put(lookalike, s.canary("lookalike"))
		}
	}
}

// canary returns a value with the canary text and the tag of a secret.
func (s *suite) canary(tag string) []byte { return []byte(canaryText + ":" + tag) }

// get reads a secret that the suite stored.
func (s *suite) get(ref hush.Ref) (hush.Secret, error) {
	s.Helper()
	ref.Name = s.validName(ref.Name)
	return s.getExact(ref)
}

// getExact calls the Provider with ref and makes the assertions that hold for every
// result.
func (s *suite) getExact(ref hush.Ref) (hush.Secret, error) {
	s.Helper()
	secret, err := s.Provider.Get(s.Context(), ref)
	if err != nil {
		assert.True(s, secret.Equal(hush.Secret{}), "%s: Get returned a Secret with the error", ref)
		if e, ok := errors.AsType[*hush.Error](err); ok && e != nil && e.Ref.Name != "" {
			assert.Equal(s, ref.Name, e.Ref.Name, "the error has the name of another secret")
		}
		return secret, err
	}
	if !secret.Expires.IsZero() {
		assert.True(s, secret.Expires.After(time.Now()), "%s: Get returned an expired secret", ref)
	}
	return secret, err
}

// orRefused returns class, or ErrRefused if the store gives no reasons.
func (s *suite) orRefused(class hush.Class) hush.Class {
	if s.Vague {
		return hush.ErrRefused
	}
	return class
}

func (s *suite) assertReads(ref hush.Ref, want []byte) {
	s.Helper()
	got, err := s.get(ref)
	if !assert.NoError(s, err, "%s", ref) {
		s.assertNoLeak(err)
		return
	}
	if ref.Field != "" {
		s.assertValue(got, want)
		return
	}
	s.assertWhole(got, want)
}

// assertWhole asserts that got is the whole secret that was stored with value want.
func (s *suite) assertWhole(got hush.Secret, want []byte) {
	s.Helper()
	s.assertValue(got, s.asStored(want))
}

// asStored returns value in the form in which the store holds it.
func (s *suite) asStored(value []byte) []byte {
	if !s.Objects || len(value) > 0 && value[0] == '{' {
		return value
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	assert.NoError(s, e.Encode(map[string]string{"value": strings.ToValidUTF8(string(value), "\ufffd")}))
	return bytes.TrimSpace(b.Bytes())
}

// assertValue compares values. It does not print them, because the output of a test is
// a log, too.
func (s *suite) assertValue(got hush.Secret, want []byte) {
	s.Helper()
	if !got.Value.Equal(hush.NewValue(want)) {
		s.Errorf("wrong value: got %d bytes, want %d", got.Value.Len(), len(want))
	}
}

func (s *suite) assertFails(err error, class hush.Class) {
	s.Helper()
	if assert.Error(s, err) {
		assert.Equal(s, class, hush.ClassOf(err), "class of: %v", err)
		s.assertNoLeak(err)
	}
}

// assertFailsAs is assertFails for a class and its kinds, such as ErrRefused for
// ErrUnavailable.
func (s *suite) assertFailsAs(err error, class hush.Class) {
	s.Helper()
	if assert.Error(s, err) {
		assert.ErrorIs(s, hush.ClassOf(err), class, "class of: %v", err)
		s.assertNoLeak(err)
	}
}

func (s *suite) assertNoLeak(err error) {
	s.Helper()
	for _, leak := range Leaks(err, append(s.Hidden, canaryText)...) {
		s.Errorf("an error contains a secret: %s", leak)
	}
}

func (s *suite) checkLogs() {
	s.Helper()
	if s.Logs == nil {
		return
	}
	for _, form := range forms(append(s.Hidden, canaryText)) {
		assert.NotContains(s, s.Logs(), form, "a log line contains a secret")
	}
}

// Leaks looks for the hidden texts in every error of the tree of err, in every printed
// form: as they are, in hexadecimal and in base64. It returns the type and the form of
// each error that contains one.
func Leaks(err error, hidden ...string) []string {
	var found []string
	walk(err, func(node error) {
		for how, text := range printed(node) {
			for _, form := range forms(hidden) {
				if strings.Contains(text, form) {
					found = append(found, fmt.Sprintf("%T by %s", node, how))
				}
			}
		}
	})
	return found
}

func walk(err error, visit func(error)) {
	if err == nil {
		return
	}
	visit(err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		walk(e.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			walk(next, visit)
		}
	}
	// The error of a chain lists attempts that it does not unwrap to.
	if e, ok := err.(interface{ Attempts() []error }); ok {
		for _, next := range e.Attempts() {
			walk(next, visit)
		}
	}
}

func printed(err error) map[string]string {
	out := map[string]string{"Error": err.Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
		out[verb] = fmt.Sprintf(verb, err)
	}
	if b, jsonErr := json.Marshal(err); jsonErr == nil {
		out["JSON"] = string(b)
	}
	return out
}

func forms(hidden []string) []string {
	var out []string
	for _, text := range hidden {
		if text == "" {
			continue
		}
		// Base64 has three alignments, which depend on the position in the text.
		for i := range 3 {
			if len(text) > i+6 {
				whole := len(text[i:]) / 3 * 3
				out = append(out, base64.StdEncoding.EncodeToString([]byte(text[i:i+whole])))
			}
		}
		out = append(out, text, hex.EncodeToString([]byte(text)))
	}
	return out
}
