package hush_test

import (
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

// A quoter returns errors that quote the input, as most parsers do.
type quoter struct{}

func (q *quoter) UnmarshalText(text []byte) error { return fmt.Errorf("cannot read %s", text) }

func TestLoadQuotesNoSecret(t *testing.T) {
	const canary = "canary-5150"
	m := &providertest.Map{}
	for _, into := range []any{
		new(bool), new(int), new(int8), new(uint), new(uint64), new(float64), new(time.Duration), new(time.Time),
		new(quoter), new(struct{ A int }), new(map[string]int), new([]int), new(big.Int), new(netip.Addr),
		new(struct{ A quoter }), new(map[string]quoter),
	} {
		typ := reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeOf(into).Elem(), Tag: `secret:"db"`}})
		for _, value := range []string{canary, `"` + canary + `"`, `{"A":"` + canary + `"}`, `["` + canary + `"]`, `{"` + canary + `":1.5}`} {
			m.Put("db", []byte(value))
			err := hush.Load(t.Context(), m, reflect.New(typ).Interface())
			if err == nil {
				continue // a JSON object without the member
			}
			assert.Empty(t, providertest.Leaks(err, canary), "%v", typ)
			assert.Equal(t, hush.ErrInvalidValue, hush.ClassOf(err))
		}
		m.Put("db", []byte(canary))
		assert.Error(t, hush.Load(t.Context(), m, reflect.New(typ).Interface()), "%v", typ)
	}
}

func TestLoadOfNumbersOutOfRange(t *testing.T) {
	m := &providertest.Map{}
	m.Put("n", []byte("300"))
	m.Put("minus", []byte("-1"))
	m.Put("x", []byte("1e300"))
	var got struct {
		A int8    `secret:"n"`
		B uint8   `secret:"n"`
		C uint    `secret:"minus"`
		D float32 `secret:"x"`
	}
	err := hush.Load(t.Context(), m, &got)
	for _, text := range []string{`field A ("n"): `, "not a valid int8", `field B ("n"): `, `field C ("minus"): `, `field D ("x"): `, "float32"} {
		assert.ErrorContains(t, err, text)
	}
}

// A value that does not fit is not an outage, because a retry fails again.
func TestLoadReportsInvalidValues(t *testing.T) {
	var into struct {
		Port int            `secret:"db#user"`
		Map  map[string]int `secret:"db"`
	}
	err := hush.Load(t.Context(), store(), &into)
	assert.Equal(t, hush.ErrInvalidValue, hush.ClassOf(err))
	assert.NotErrorIs(t, err, hush.ErrUnavailable)
	assert.Equal(t, hush.ErrInvalidValue, hush.ClassOf(secretOf("{").Decode(&into)))
}
