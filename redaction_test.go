package hush_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

// canary is what no printer may show, in any of the forms that a printer has.
const canary = "xq7Kz9Vw2J"

const redacted = "[redacted hush.Value: call Reveal]"

// canaryForms are the canary as text, hexadecimal and base64, and its beginning as
// a list of bytes in every base, style and separator.
var canaryForms = formsOf(canary)

func formsOf(secret string) []string {
	forms := []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	for i := range 3 {
		whole := len(secret[i:]) / 3 * 3
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(secret[i:i+whole])))
	}
	for _, verb := range []string{"%d", "%02x", "%02X", "%#02x", "%#02X", "%o", "%#o", "%O", "%b", "%#b", "%c", "%q", "%U", "%#U", "%+d", "% d", "%3d", "%03d"} {
		var bytes, runes []string
		for _, c := range []byte(secret[:5]) {
			bytes = append(bytes, fmt.Sprintf(verb, c))
			runes = append(runes, fmt.Sprintf(verb, rune(c)))
		}
		for _, separator := range []string{" ", ", ", ","} {
			forms = append(forms, strings.Join(bytes, separator), strings.Join(runes, separator))
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// leaked returns the form of the canary that text shows, or "".
func leaked(text string) string { return leakedOf(text, canaryForms) }

func leakedOf(text string, forms []string) string {
	for _, form := range forms {
		if strings.Contains(text, form) {
			return form
		}
	}
	return ""
}

// A shape is a way in which a program holds something.
type shape struct {
	name string
	held any
}

// shapesOf returns v held in every way that a printer may have to walk.
func shapesOf[V any](v V) []shape {
	type exported struct{ V V }
	type unexported struct{ v V }
	type pointing struct{ v *V }
	type hidden struct{ v any }
	p := &v
	channel := make(chan V, 1)
	channel <- v
	return []shape{
		{"value", v},
		{"pointer", p},
		{"pointer to pointer", &p},
		{"exported field", exported{v}},
		{"unexported field", unexported{v}},
		{"pointer to unexported field", &unexported{v}},
		{"unexported pointer field", pointing{p}},
		{"unexported interface field", hidden{v}},
		{"slice", []V{v}},
		{"slice of pointers", []*V{p}},
		{"array", [1]V{v}},
		{"map value", map[string]V{"k": v}},
		{"map pointer value", map[string]*V{"k": p}},
		{"map key", map[*V]string{p: "k"}},
		{"map key field", map[pointing]string{{p}: "k"}},
		{"interfaces", []any{v, p}},
		{"deep", []map[string]*exported{{"k": {v}}}},
		{"deep and unexported", []map[string]*unexported{{"k": {v}}}},
		{"channel", channel},
		{"func", func() V { return v }},
	}
}

// Leaky look-alikes. The plain ones show everything; the dressed ones have every
// method that a Value has and lack only the closure.
type (
	plainString string
	plainBytes  []byte
	plainFields struct {
		S string
		B []byte
	}
	dressedBytes struct {
		dress
		b []byte
	}
	dressedString struct {
		dress
		s string
	}
	dressedPointer struct {
		dress
		s *string
	}
)

type dress struct{}

func (dress) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }
func (dress) String() string               { return redacted }
func (dress) GoString() string             { return redacted }
func (dress) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (dress) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
func (dress) LogValue() slog.Value         { return slog.StringValue(redacted) }

func canarySecret() hush.Secret {
	return hush.Secret{Value: hush.NewValue([]byte(canary)), Version: "v1", Stages: []string{hush.CurrentStage}, Source: "test"}
}

func TestRedaction(t *testing.T) {
	secret := canarySecret()
	ref := hush.Name("db/prod").NewerThan(secret)
	subjects := map[string][]shape{
		"Value":  shapesOf(secret.Value),
		"Secret": shapesOf(secret),
		"Ref":    shapesOf(ref),
		"Error":  shapesOf(hush.NewError("test", ref, hush.ErrDenied, nil)),
	}
	for _, printer := range printers() {
		for subject, shapes := range subjects {
			assert.Empty(t, leaks(printer, shapes), "%s of %s", printer.name, subject)
		}
	}
}

// TestRedactionCanFail is the matrix over look-alikes: a printer that shows none
// of them would prove nothing about a Value.
func TestRedactionCanFail(t *testing.T) {
	plain := slices.Concat(
		shapesOf(plainString(canary)), shapesOf(plainBytes(canary)), shapesOf(plainFields{canary, []byte(canary)}),
	)
	for _, printer := range printers() {
		assert.True(t, slices.ContainsFunc(plain, func(s shape) bool { return leaks(printer, []shape{s}) != nil }),
			"%s shows none of the plain look-alikes", printer.name)
	}
	text := canary
	for name, dressed := range map[string][]shape{
		"bytes":   shapesOf(dressedBytes{b: []byte(canary)}),
		"string":  shapesOf(dressedString{s: canary}),
		"pointer": shapesOf(dressedPointer{s: &text}),
	} {
		assert.True(t, slices.ContainsFunc(printers(), func(p printer) bool { return leaks(p, dressed) != nil }),
			"%s: methods alone hide it, so what is the closure for?", name)
	}
}

// leaks returns the shapes that p shows the canary of, each with the form.
func leaks(p printer, shapes []shape) []string { return leaksOf(p, shapes, canaryForms) }

func leaksOf(p printer, shapes []shape, forms []string) (found []string) {
	seen := map[string]bool{}
	for _, s := range shapes {
		for _, text := range p.print(s.held) {
			if seen[text] {
				continue
			}
			seen[text] = true
			if form := leakedOf(text, forms); form != "" {
				found = append(found, s.name+": "+form)
			}
		}
	}
	return found
}

func TestMaskSaysWhatToDo(t *testing.T) {
	v := hush.NewValue([]byte(canary))
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%20s", "%.3s"} {
		assert.Equal(t, redacted, fmt.Sprintf(format, v), format)
	}
	assert.Equal(t, redacted, v.String())
	assert.Equal(t, redacted, v.GoString())
	assert.Equal(t, redacted, v.LogValue().String())
	b, err := v.MarshalJSON()
	require.NoError(t, err)
	assert.Equal(t, `"`+redacted+`"`, string(b))
	b, err = v.MarshalText()
	require.NoError(t, err)
	assert.Equal(t, redacted, string(b))
	assert.Equal(t, redacted, fmt.Sprint(hush.Value{}), "an empty value does not show that it is empty")
}

// panicEnv makes this test binary panic with one of panics and do nothing else.
const panicEnv = "HUSH_TEST_PANIC"

func panics(which string) any {
	secret := canarySecret()
	return map[string]any{
		"value": secret.Value, "pointer": &secret.Value, "secret": secret, "secret pointer": &secret,
		"error": hush.NewError("test", hush.Name("db").NewerThan(secret), hush.ErrDenied, nil),
		"plain": plainString(canary),
	}[which]
}

func TestMain(m *testing.M) {
	if which := os.Getenv(panicEnv); which != "" {
		panic(panics(which))
	}
	os.Exit(m.Run())
}

func TestRedactionOfPanics(t *testing.T) {
	for _, which := range []string{"value", "pointer", "secret", "secret pointer", "error"} {
		text := panicText(t, which)
		assert.Contains(t, text, "panic: ", which)
		assert.Empty(t, leaked(text), which)
	}
	assert.NotEmpty(t, leaked(panicText(t, "plain")), "a plain string shows")
}

func panicText(t *testing.T, which string) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), panicEnv+"="+which)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.Error(t, cmd.Run(), "it panics")
	return stderr.String()
}
