package vault

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

var canonicalObjects = []string{
	`{}`, `{"a":1}`, `{"a":"","b":[],"c":{},"d":[1,"x",{"e":null,"f":[[]]}],"g":true}`, `{"A":1,"a":2,"aa":3,"é":4,"🔑":5}`,
	`{"":0}`, `{"a":-0,"b":1e400,"c":12345678901234567890,"d":0.10}`, `{"a":"<b>&'}]:,"}`, `{"a":{"z":1},"b":{"a":1}}`,
}

var uncanonicalObjects = []string{
	`{"b":1,"a":2}`, `{"a":1,"a":2}`, `{"a":{"c":1,"b":2}}`, `{"a":[{"c":1,"b":2}]}`, `{ "a":1}`, `{"a" :1}`, `{"a": 1}`, `{"a":1 }`, `{"a":1, "b":2}`,
	`{"a":[ ]}`, `{"a":[1 ,2]}`, `{"a":[1, 2]}`, `{"a":{ }}`, "{\"a\":\n1}", "{\"a\":1}\n", `{"a":"\u003c"}`, `{"a":"\\"}`, `{"\u0061":1}`, "{\"a\":\"\xff\"}",
	"{\"a\":\"\u2028\"}", "{\"\u2029\":1}",
}

func TestCanonicalObjectsAreNotChanged(t *testing.T) {
	for _, text := range canonicalObjects {
		data := []byte(text)
		assert.True(t, isCanonical(data), text)
		assert.Zero(t, testing.AllocsPerRun(10, func() { isCanonical(data) }), "it must not allocate")
	}
	for _, text := range uncanonicalObjects {
		assert.False(t, isCanonical([]byte(text)), text)
	}
}

// FuzzCanonical compares the two ways to canonicalize: they agree, and the result is
// canonical.
func FuzzCanonical(f *testing.F) {
	for _, text := range append(canonicalObjects, uncanonicalObjects...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) != nil || members == nil {
			return
		}
		slow, err := canonicalize(data)
		require.NoError(t, err)
		fast, err := canonical(data)
		require.NoError(t, err)
		assert.Equal(t, slow.Reveal(), fast.Reveal())
		assert.Equal(t, slow.Reveal(), revealed(canonical(slow.RevealBytes())), "canonicalizing again changes nothing")
	})
}

func revealed(v hush.Value, _ error) string { return v.Reveal() }
