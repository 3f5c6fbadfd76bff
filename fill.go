package hush

import (
	"encoding"
	"reflect"
	"strconv"
	"time"
)

var (
	secretType   = reflect.TypeFor[Secret]()
	valueType    = reflect.TypeFor[Value]()
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func fillable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return t == secretType || readsText(t) || isBytes(t) || decodes(t)
}

func readsText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// decodes reports whether fill decodes a t from JSON.
func decodes(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		return t != secretType && !readsText(t) && !isBytes(t)
	}
	return false
}

// fill sets to, whose type must be fillable. The error may quote the secret.
func fill(to reflect.Value, s Secret) (err error) {
	text := s.Value.Reveal()
	switch t := to.Type(); {
	case t == secretType:
		to.Set(reflect.ValueOf(s))
	case t == valueType:
		to.Set(reflect.ValueOf(s.Value))
	case readsText(t):
		err = to.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	case isBytes(t):
		to.SetBytes([]byte(text))
	case decodes(t):
		err = s.Decode(to.Addr().Interface())
	case t == durationType:
		var d time.Duration
		d, err = time.ParseDuration(text)
		to.SetInt(int64(d))
	default:
		err = fillScalar(to, text)
	}
	return err
}

func fillScalar(to reflect.Value, text string) (err error) {
	switch {
	case to.Kind() == reflect.String:
		to.SetString(text)
	case to.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		to.SetBool(b)
	case to.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, to.Type().Bits())
		to.SetInt(n)
	case to.CanUint():
		var n uint64
		n, err = strconv.ParseUint(text, 10, to.Type().Bits())
		to.SetUint(n)
	case to.CanFloat():
		var x float64
		x, err = strconv.ParseFloat(text, to.Type().Bits())
		to.SetFloat(x)
	}
	return err
}
