package hush_test

import (
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

type level string

// base is embedded and unexported.
type base struct {
	Region string `secret:"app#region"`
}

type everything struct {
	base
	Whole    hush.Secret           `secret:"db"`
	Password hush.Value            `secret:"db#password"`
	User     string                `secret:"db#user"`
	Level    level                 `secret:"app#level"`
	Bytes    []byte                `secret:"bytes"`
	On       bool                  `secret:"app#on"`
	Small    int8                  `secret:"app#small"`
	Large    int64                 `secret:"app#large"`
	Port     uint16                `secret:"db#port"`
	Ratio    float32               `secret:"app#ratio"`
	Timeout  time.Duration         `secret:"app#timeout"`
	Since    time.Time             `secret:"app#since"`
	Address  netip.Addr            `secret:"app#address"`
	Big      big.Int               `secret:"app#large"`
	DB       map[string]any        `secret:"db"`
	Hosts    []string              `secret:"app#hosts"`
	Pair     [2]int                `secret:"app#pair"`
	Decoded  struct{ User string } `secret:"db"`
	Nested   struct {
		Deeper struct {
			Comma string `secret:"a%2Cb"`
		}
		Plain int
	}
	Optional string `secret:"none,optional"`
	Missing  string `secret:"db#nope,optional"`
	Found    string `secret:"db#user,optional"`
	Kept     string
	Skipped  struct {
		X string `secret:"none"`
	} `secret:"-"`
	Pointer *int
}

func store() *providertest.Map {
	m := &providertest.Map{}
	m.Put("db", []byte(`{"user":"app","password":"canary-901","port":5432}`))
	m.Put("app", []byte(`{"region":"eu","level":"warn","on":true,"small":-7,"large":9007199254740993,"ratio":0.5,"timeout":"1m30s",
		"since":"2026-01-02T03:04:05Z","address":"10.0.0.1","hosts":["a","b"],"pair":[1,2]}`))
	m.Put("bytes", []byte{0, 0xff, '\n'})
	m.Put("a,b", []byte("comma"))
	return m
}

func TestLoad(t *testing.T) {
	m := store()
	got := everything{Optional: "default", Missing: "default", Kept: "kept"}
	require.NoError(t, hush.Load(t.Context(), m, &got))
	assert.Equal(t, "eu", got.Region)
	assert.Equal(t, "v1", got.Whole.Version)
	assert.Equal(t, "canary-901", got.Password.Reveal())
	assert.Equal(t, "app", got.User)
	assert.Equal(t, level("warn"), got.Level)
	assert.Equal(t, []byte{0, 0xff, '\n'}, got.Bytes)
	assert.True(t, got.On)
	assert.EqualValues(t, -7, got.Small)
	assert.EqualValues(t, 9007199254740993, got.Large)
	assert.EqualValues(t, 5432, got.Port)
	assert.InDelta(t, 0.5, got.Ratio, 0)
	assert.Equal(t, 90*time.Second, got.Timeout)
	assert.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), got.Since)
	assert.Equal(t, "10.0.0.1", got.Address.String())
	assert.Equal(t, "9007199254740993", got.Big.String())
	assert.Equal(t, "app", got.DB["user"])
	assert.Equal(t, []string{"a", "b"}, got.Hosts)
	assert.Equal(t, [2]int{1, 2}, got.Pair)
	assert.Equal(t, "app", got.Decoded.User)
	assert.Equal(t, "comma", got.Nested.Deeper.Comma)
	assert.Equal(t, []string{"default", "default", "app", "kept", ""}, []string{got.Optional, got.Missing, got.Found, got.Kept, got.Skipped.X})
	assert.Len(t, m.Calls(), 5, "each secret once")
	assert.NotContains(t, fmt.Sprintf("%+v", got.Password), "canary-901")
}

type cyclic struct {
	Next *cyclic
	A    string `secret:"db"`
}

// untagged is a recursive type without tags.
type untagged struct{ Next []untagged }

type skipped struct {
	A []struct {
		B string `secret:"db"`
	} `secret:"-"`
	Next untagged
}

type typo struct {
	A string `secrets:"db"`
}

// Load reports unsupported fields before it reads a secret.
func TestLoadRefusesUnsupportedFields(t *testing.T) {
	type tagged struct {
		A string `secret:"db"`
	}
	for name, c := range map[string]struct {
		into  any
		class hush.Class
		text  string
	}{
		"no pointer":  {everything{}, hush.ErrUnsupported, "into is a hush_test.everything"},
		"nil":         {nil, hush.ErrUnsupported, "into is a <nil>"},
		"nil pointer": {(*everything)(nil), hush.ErrUnsupported, "pass a pointer to a struct"},
		"no struct":   {new(int), hush.ErrUnsupported, "into is a *int"},
		"unexported": {&struct {
			a string `secret:"db"` //nolint:revive // the mistake that is tested
		}{}, hush.ErrUnsupported, "field a: unsupported: not exported"},
		"below unexported": {&struct{ in tagged }{}, hush.ErrUnsupported, "field in.A: unsupported: not exported"},
		"a channel": {&struct {
			A chan int `secret:"db"`
		}{}, hush.ErrUnsupported, "field A: unsupported: Load cannot fill type chan int"},
		"a func": {&struct {
			A func() `secret:"db"`
		}{}, hush.ErrUnsupported, "type func()"},
		"any": {&struct {
			A any `secret:"db"`
		}{}, hush.ErrUnsupported, "cannot fill type interface {}"},
		"a pointer": {&struct {
			A *string `secret:"db"`
		}{}, hush.ErrUnsupported, "cannot fill type *string"},
		"a complex number": {&struct {
			A complex128 `secret:"db"`
		}{}, hush.ErrUnsupported, "complex128"},
		"tags behind a pointer": {&struct{ In *tagged }{}, hush.ErrUnsupported, "field In: unsupported: its type *hush_test.tagged contains a struct with secret tags"},
		"tags in a slice":       {&struct{ In []tagged }{}, hush.ErrUnsupported, "field In: unsupported: its type []hush_test.tagged contains"},
		"tags in two slices":    {&struct{ A, B []tagged }{}, hush.ErrUnsupported, "fields A, B: unsupported: its type []hush_test.tagged contains"},
		"tags in an array":      {&struct{ In [2]tagged }{}, hush.ErrUnsupported, "field In: unsupported: "},
		"tags in a map":         {&struct{ In map[string]*tagged }{}, hush.ErrUnsupported, "field In: unsupported: "},
		"tags in a key":         {&struct{ In map[tagged]bool }{}, hush.ErrUnsupported, "field In: unsupported: "},
		"tags deep in a slice": {&struct {
			A struct{ In []struct{ B [][]tagged } }
		}{}, hush.ErrUnsupported, "field A.In: unsupported: "},
		"tags in a cycle": {&cyclic{}, hush.ErrUnsupported, "field Next: unsupported: "},
		"two levels of tags": {&struct {
			A tagged `secret:"db"`
		}{}, hush.ErrUnsupported, "field A: unsupported: both the field and its type hush_test.tagged have secret tags"},
		"no tag":      {&struct{ A string }{}, hush.ErrUnsupported, "load: *struct { A string } has no field with a secret tag"},
		"no field":    {&struct{}{}, hush.ErrUnsupported, "no field with a secret tag"},
		"only a dash": {&skipped{}, hush.ErrUnsupported, "no field with a secret tag"},
		"a typo":      {&typo{}, hush.ErrUnsupported, "no field with a secret tag"},
		"empty tag": {&struct {
			A string `secret:""`
		}{}, hush.ErrInvalidRef, "field A: invalid reference: the name is empty"},
		"unknown option": {&struct {
			A string `secret:"db,omitempty"`
		}{}, hush.ErrInvalidRef, `"db,omitempty": only "optional" may follow a comma; write %2C`},
		"two options": {&struct {
			A string `secret:"db,optional,optional"`
		}{}, hush.ErrInvalidRef, "may follow a comma"},
		"malformed reference": {&struct {
			A string `secret:"db#"`
		}{}, hush.ErrInvalidRef, "field A: invalid reference: \"db#\": no field after #"},
	} {
		m := store()
		err := hush.Load(t.Context(), m, c.into)
		assert.Equal(t, c.class.Error(), hush.ClassOf(err).Error(), name)
		assert.ErrorContains(t, err, c.text, name)
		assert.Empty(t, m.Calls(), name)
	}
}

// Load sets all fields or none, and reports every failure.
func TestLoadIsAllOrNothing(t *testing.T) {
	type config struct {
		User  string `secret:"db#user"`
		Gone  string `secret:"none"`
		Inner struct {
			Denied string `secret:"denied,optional"`
			Port   int    `secret:"db#user"`
		}
	}
	m := store()
	m.Deny("denied")
	var got config
	err := hush.Load(t.Context(), m, &got)
	assert.Equal(t, config{}, got)
	assert.Equal(t, hush.ErrDenied, hush.ClassOf(err), "the first that is not ErrNotFound")
	assert.ErrorIs(t, err, hush.ErrNotFound)
	assert.ErrorIs(t, err, hush.ErrDenied, "optional is for what is not found alone")
	for _, text := range []string{
		`field Gone ("none"): map: not found`, `field Inner.Denied ("denied"): map: denied`,
		`field Inner.Port ("db#user"): map: invalid value: not a valid int`,
	} {
		assert.ErrorContains(t, err, text)
	}

	var one struct {
		Gone string `secret:"none"`
	}
	assert.EqualError(t, hush.Load(t.Context(), m, &one), `load: field Gone ("none"): map: not found`)
}

// FuzzLoadTag checks that Load refuses a tag before it reads a secret, or reads exactly
// the secret that the tag names.
func FuzzLoadTag(f *testing.F) {
	for _, seed := range []string{"db", "db#a,optional", "a%2Cb", "db,", ",optional", "db?stage=AWSPREVIOUS#x,optional", "-", "%2D", "db,optional,", "\x00", "%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		m := &providertest.Map{}
		typ := reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(fmt.Sprintf("secret:%q", tag))}})
		err := hush.Load(t.Context(), m, reflect.New(typ).Interface())
		switch calls := m.Calls(); len(calls) {
		case 0:
			if tag != "-" && hush.ClassOf(err) != hush.ErrInvalidRef {
				t.Errorf("%q asks for nothing: %v", tag, err)
			}
		case 1:
			text := tag
			if err == nil {
				text = text[:len(text)-len(",optional")]
			}
			if ref, parseErr := hush.ParseRef(text); parseErr != nil || ref.Key() != calls[0] {
				t.Errorf("%q asks for %q, %v", tag, calls[0], parseErr)
			}
		default:
			t.Errorf("%q asks %d times", tag, len(calls))
		}
	})
}
