package hush_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

func TestDecode(t *testing.T) {
	var got struct {
		User     string
		Password hush.Value
		Port     int
		Number   hush.Value `json:"port"`
		None     hush.Value
		Nil      *hush.Value
		Set      *hush.Value
		Absent   hush.Value
		All      []hush.Value
		ByName   map[string]hush.Value
		Nested   struct{ Raw hush.Value }
	}
	err := secretOf(`{"user":"app","password":"hunter2","port":5432,"none":null,"nil":null,"set":"s",
		"all":["a",1,null],"byname":{"k":"v"},"nested":{"raw":{"x": [1]}},"unknown":1}`).Decode(&got)
	require.NoError(t, err)
	assert.Equal(t, "app", got.User)
	assert.Equal(t, "hunter2", got.Password.Reveal())
	assert.Equal(t, "5432", got.Number.Reveal())
	assert.Equal(t, "null", got.None.Reveal(), "as in Field")
	assert.Nil(t, got.Nil)
	assert.Equal(t, "s", got.Set.Reveal())
	assert.Zero(t, got.Absent.Len())
	require.Len(t, got.All, 3)
	assert.Equal(t, "a1null", got.All[0].Reveal()+got.All[1].Reveal()+got.All[2].Reveal())
	assert.Equal(t, "v", got.ByName["k"].Reveal())
	assert.Equal(t, `{"x": [1]}`, got.Nested.Raw.Reveal())

	var whole hush.Value
	require.NoError(t, secretOf(`"text"`).Decode(&whole))
	assert.Equal(t, "text", whole.Reveal())
}

func TestDecodeCopiesTheValue(t *testing.T) {
	secret := secretOf(`{"a":1}`)
	var raw keeping
	require.NoError(t, secret.Decode(&raw))
	raw[0] = 'X'
	assert.JSONEq(t, `{"a":1}`, secret.Value.Reveal())
}

// keeping retains its input. An Unmarshaler must not, but some do.
type keeping []byte

func (k *keeping) UnmarshalJSON(b []byte) error { *k = b; return nil }

// A quoting has an Unmarshaler whose error quotes its input, as the errors of time and
// strconv do.
type quoting struct{}

func (*quoting) UnmarshalJSON(b []byte) error { return fmt.Errorf("bad %s", b) }

type quotingText string

func (*quotingText) UnmarshalText(b []byte) error { return errors.New("bad " + string(b)) }

type unreachable struct{ *hidden }

type hidden struct{ Port int }

// targets returns new values of the types that a program may decode into.
func targets() []any {
	return []any{
		new(int), new(int8), new(bool), new(float32), new([]int), new([2]bool), new(map[string]int), new(map[int]string),
		new(map[int]map[string]int8), new(map[string]struct{ Port int }), new([]struct{ Port uint8 }), new(json.Number),
		new(struct {
			Port  int
			Quote quoting
			Text  quotingText
			Time  time.Time
			Addr  netip.Addr
			Big   big.Int
			Str   int `json:",string"`
			Any   any
			Value hush.Value
			Bytes []byte
		}),
		new(map[quotingText]int), new(map[netip.Addr]int), new(quoting), new(time.Time), new(hush.Value), new(any), new(unreachable),
		new(json.RawMessage), new(fmt.Stringer), nil, 0,
		struct{}{},
		(*int)(nil),
	}
}

// TestDecodeErrorsQuoteNoSecret puts the canary, as text and as digits, into every part
// of valid and invalid JSON.
func TestDecodeErrorsQuoteNoSecret(t *testing.T) {
	const digits = "86753094201357924680"
	failed := 0
	for _, form := range []string{
		`%s`, `"%s"`, `["%s"]`, `{"%s":1}`, `{"%s":{"port":"x"}}`, `{"%s":{"port":{}}}`, `{"port":"%s"}`, `{"port":%s}`, `[{"port":%s}]`,
		`{"a":{"%s":"x"}}`, `{"1":{"%s":1000}}`, `{"1":{"a":%s}}`, `{"quote":"%s"}`, `{"text":"%s"}`, `{"time":"%s"}`, `{"addr":"%s"}`,
		`{"big":"%s"}`, `{"str":"%s"}`, `{"bytes":"%s!"}`, `{"value":"%s`, `{"value":"%s"`, `[%s`, `{"any":%s`, `-%s`, `{"port":%s.5}`, `{"port":%se5}`,
		"{\"value\":\"%s\xff\"}",
	} {
		for _, secret := range []string{canary, digits} {
			for _, target := range targets() {
				err := secretOf(fmt.Sprintf(form, secret)).Decode(target)
				if err != nil {
					failed++
					assert.Empty(t, providertest.Leaks(err, secret), "%s into %T", form, target)
				}
			}
		}
	}
	assert.Greater(t, failed, 500, "most of them do not fit")
}

func TestDecodeErrors(t *testing.T) {
	var config struct {
		Hosts map[string]struct{ Port int }
		Quote quoting
		V     hush.Value
	}
	for doc, want := range map[string]string{
		`{"hosts":{"a":{"port":"x"}}}`:  ": the JSON does not fit type int",
		`{"hosts":1e400}`:               "the JSON does not fit type map[string]struct",
		`{"hosts"`:                      "hush: decode: invalid JSON at byte 8",
		``:                              "hush: decode: invalid JSON at byte 0",
		`{"hosts":{}} x`:                "hush: decode: invalid JSON at byte ",
		`{"quote":1}`:                   "its text is omitted because it may quote the secret",
		`{"v":"` + redacted + `"}`:      "hush: decode: the text is the mask of a hush.Value",
		`{"v":"P` + "\xe4" + `ssword"}`: "hush: decode: not a valid JSON string in UTF-8",
	} {
		err := secretOf(doc).Decode(&config)
		assert.ErrorContains(t, err, want, doc)
	}
	for _, target := range []any{nil, config, (*int)(nil)} {
		err := secretOf(`{}`).Decode(target)
		require.ErrorContains(t, err, "hush: decode: json: Unmarshal(")
		var invalid *json.InvalidUnmarshalError
		assert.ErrorAs(t, err, &invalid, "a programmer's error keeps its type")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"port":"`, `"}`)
	f.Add(`{"`, `":{"port":{}}}`)
	f.Add(`{"port":1`, `}`)
	f.Add(`[{"`, `"`)
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, target := range targets() {
			if err := secretOf(before + canary + after).Decode(target); err != nil {
				assert.Empty(t, providertest.Leaks(err, canary), "%T", target)
			}
		}
	})
}
