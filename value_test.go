package hush_test

import (
	"encoding/json"
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

func TestValueIsIndependent(t *testing.T) {
	b := []byte("hunter2")
	v := hush.NewValue(b)
	b[0] = 'X'
	assert.Equal(t, "hunter2", v.Reveal(), "NewValue copies")
	v.RevealBytes()[0] = 'Y'
	assert.Equal(t, "hunter2", v.Reveal(), "RevealBytes copies")

	text := []byte("hunter3")
	require.NoError(t, v.UnmarshalText(text))
	text[0] = 'X'
	assert.Equal(t, "hunter3", v.Reveal(), "UnmarshalText copies")
	assert.Equal(t, 7, v.Len())
}

func TestZeroValue(t *testing.T) {
	var v hush.Value
	assert.Empty(t, v.Reveal())
	assert.Empty(t, v.RevealBytes())
	assert.Zero(t, v.Len())
	assert.True(t, v.Equal(hush.NewValue(nil)))
	assert.True(t, v.Equal(hush.Value{}))
	assert.False(t, v.Equal(hush.NewValue([]byte{0})))
}

func TestValueEqual(t *testing.T) {
	v := hush.NewValue([]byte("hunter2"))
	assert.True(t, v.Equal(v))
	assert.True(t, v.Equal(hush.NewValue([]byte("hunter2"))))
	for _, other := range []string{"", "hunter", "hunter3", "Hunter2", "hunter2\n", "hunter22"} {
		assert.False(t, v.Equal(hush.NewValue([]byte(other))), "%q", other)
		assert.False(t, hush.NewValue([]byte(other)).Equal(v), "%q", other)
	}
}

func TestValueKeepsBytes(t *testing.T) {
	for _, text := range []string{"", "\x00", "a\xffb", "Pässwörd\n", "\u2028", redacted} {
		assert.Equal(t, text, hush.NewValue([]byte(text)).Reveal(), "%q", text)
	}
}

func TestValueUnmarshalJSON(t *testing.T) {
	for in, want := range map[string]string{
		`"hunter2"`:                     "hunter2",
		`""`:                            "",
		`"a\"b\\c\n\u00e9\ud83d\udd11"`: "a\"b\\c\né🔑",
		`null`:                          "null",
		`true`:                          "true",
		`5432`:                          "5432",
		`1.50`:                          "1.50",
		`12345678901234567890`:          "12345678901234567890",
		`1e400`:                         "1e400",
		`{"a": [1, "b"]}`:               `{"a": [1, "b"]}`,
		` [ 1 ] `:                       `[ 1 ]`,
	} {
		var v hush.Value
		require.NoError(t, json.Unmarshal([]byte(in), &v), in)
		assert.Equal(t, want, v.Reveal(), in)

		var held struct{ V hush.Value }
		require.NoError(t, json.Unmarshal([]byte(`{"V": `+in+` }`), &held), in)
		assert.Equal(t, want, held.V.Reveal(), "in a struct: %s", in)
	}
	var pointing struct{ V *hush.Value }
	require.NoError(t, json.Unmarshal([]byte(`{"V":null}`), &pointing))
	assert.Nil(t, pointing.V, "a pointer is nil for null, as everywhere in encoding/json")
}

// A wrong secret is worse than an error.
func TestValueUnmarshalErrors(t *testing.T) {
	held := hush.NewValue([]byte("held"))
	marshalled, err := json.Marshal(held)
	require.NoError(t, err)
	for name, in := range map[string][]byte{
		"mask":      marshalled,
		"not UTF-8": []byte(`"P` + "\xe4" + `ssword"`),
		"half":      []byte(`"half`),
	} {
		v := held
		err := v.UnmarshalJSON(in)
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), "ssword")
		assert.Equal(t, "held", v.Reveal(), "%s: left alone", name)
	}
	require.ErrorContains(t, held.UnmarshalJSON(marshalled), "mask of a hush.Value")
	require.ErrorContains(t, held.UnmarshalText([]byte(redacted)), "mask of a hush.Value")

	type document struct{ V hush.Value }
	b, err := xml.Marshal(document{held})
	require.NoError(t, err)
	assert.ErrorContains(t, xml.Unmarshal(b, &document{}), "mask of a hush.Value")
}
