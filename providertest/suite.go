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

// canaryText is part of every value that the suite stores, and may be part of no
// error and no log.
const canaryText = "canary-b1f7-d0"

// A suite is one rule's run.
type suite struct {
	*testing.T
	Harness
}

func newSuite(t *testing.T, h Harness) *suite {
	s := &suite{T: t, Harness: h}
	s.Put = func(name string, value []byte) { h.Put(s.named(name), s.stored(value)) }
	if h.Rotate != nil {
		s.Rotate = func(name string, value []byte) { h.Rotate(s.named(name), s.stored(value)) }
	}
	if h.Deny != nil {
		s.Deny = func(name string) { h.Deny(s.named(name)) }
	}
	return s
}

func (s *suite) valid(name string) bool { return s.ValidName == nil || s.ValidName(name) }

// named returns the name that a secret of the suite has in this store.
func (s *suite) named(name string) string {
	if s.valid(name) {
		return name
	}
	plain := strings.ReplaceAll(name, "/", "-")
	if !s.valid(plain) {
		s.Fatalf("providertest: ValidName refuses both %q and %q", name, plain)
	}
	return plain
}

// putLookalikes stores the secrets that a Provider would find if it repaired a name
// that is not valid.
func (s *suite) putLookalikes(name string) {
	if s.FoldsNames {
		return
	}
	for _, replacement := range []string{"-", "_", ""} {
		var b strings.Builder
		for _, r := range name {
			if s.valid("a" + string(r) + "a") {
				b.WriteRune(r)
			} else {
				b.WriteString(replacement)
			}
		}
		if lookalike := b.String(); s.valid(lookalike) {
			s.Put(lookalike, s.canary("lookalike"))
		}
	}
}

// canary returns a value that tells which secret it is and trips the leak check.
func (s *suite) canary(tag string) []byte { return []byte(canaryText + ":" + tag) }

// get reads a secret of the suite.
func (s *suite) get(ref hush.Ref) (hush.Secret, error) {
	s.Helper()
	ref.Name = s.named(ref.Name)
	return s.getExact(ref)
}

// getExact calls the Provider, and checks what holds for every result.
func (s *suite) getExact(ref hush.Ref) (hush.Secret, error) {
	s.Helper()
	secret, err := s.Provider.Get(s.Context(), ref)
	if err != nil {
		assert.True(s, secret.Equal(hush.Secret{}), "%s: a Secret came with the error", ref)
		if e, ok := errors.AsType[*hush.Error](err); ok && e != nil && e.Ref.Name != "" {
			assert.Equal(s, ref.Name, e.Ref.Name, "the error is about another secret")
		}
		return secret, err
	}
	if !secret.Expires.IsZero() {
		assert.True(s, secret.Expires.After(time.Now()), "%s: expired when it came", ref)
	}
	return secret, err
}

// vaguely is class, or ErrRefused for a store that does not say why it refuses.
func (s *suite) vaguely(class hush.Class) hush.Class {
	if s.Vague {
		return hush.ErrRefused
	}
	return class
}

func (s *suite) reads(ref hush.Ref, want []byte) {
	s.Helper()
	got, err := s.get(ref)
	if !assert.NoError(s, err, "%s", ref) {
		s.clean(err)
		return
	}
	if ref.Field != "" {
		s.equal(got, want)
		return
	}
	s.same(got, want)
}

// same checks that got is the whole secret that was stored as want.
func (s *suite) same(got hush.Secret, want []byte) {
	s.Helper()
	s.equal(got, s.stored(want))
}

// stored is what the store is given for value.
func (s *suite) stored(value []byte) []byte {
	if !s.Objects || len(value) > 0 && value[0] == '{' {
		return value
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	assert.NoError(s, e.Encode(map[string]string{"value": strings.ToValidUTF8(string(value), "\ufffd")}))
	return bytes.TrimSpace(b.Bytes())
}

// equal compares without printing: the suite's own failures are logs, too.
func (s *suite) equal(got hush.Secret, want []byte) {
	s.Helper()
	if !got.Value.Equal(hush.NewValue(want)) {
		s.Errorf("wrong value: got %d bytes, want %d", got.Value.Len(), len(want))
	}
}

func (s *suite) fails(err error, class hush.Class) {
	s.Helper()
	if assert.Error(s, err) {
		assert.Equal(s, class, hush.ClassOf(err), "class of: %v", err)
		s.clean(err)
	}
}

// failsAs is fails for a class and its kinds.
func (s *suite) failsAs(err error, class hush.Class) {
	s.Helper()
	if assert.Error(s, err) {
		assert.ErrorIs(s, hush.ClassOf(err), class, "class of: %v", err)
		s.clean(err)
	}
}

func (s *suite) clean(err error) {
	s.Helper()
	for _, leak := range Leaks(err, append(s.Hidden, canaryText)...) {
		s.Errorf("an error quotes what it must not: %s", leak)
	}
}

func (s *suite) checkLogs() {
	s.Helper()
	if s.Logs == nil {
		return
	}
	for _, form := range forms(append(s.Hidden, canaryText)) {
		assert.NotContains(s, s.Logs(), form, "a log line quotes what it must not")
	}
}

// Leaks walks the whole tree below err and returns, for each node that shows one
// of the hidden texts, its type and how it was printed. The texts are looked for
// as they are, in hexadecimal and in base64.
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
	// A chain's error lists more than it unwraps to.
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
		// The middle of a base64 text shows at any of three alignments.
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
