package hush

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Load fills the tagged fields of the struct that into points to:
//
//	var cfg struct {
//		User     string        `secret:"db/prod#user"`
//		Password hush.Value    `secret:"db/prod#password"`
//		Timeout  time.Duration `secret:"db/prod#timeout,optional"`
//		TLS      struct{ Key, Cert []byte } `secret:"tls/prod"`
//	}
//
// A tag is a reference for ParseRef. Write %2C for a comma in it. If the tag ends with
// ",optional" and the secret or the field is ErrNotFound, Load leaves the struct field
// unchanged. Load also fills the tagged fields of structs that are fields themselves,
// unless their tag is "-". It does not follow pointers.
//
// The type of a field decides how Load sets it:
//
//   - A [Secret] or a [Value] is set as it is.
//   - A type with an UnmarshalText method receives the text.
//   - A string or a []byte receives the bytes.
//   - A bool, a number or a time.Duration is parsed with strconv or time.
//   - Any other struct, map, slice or array is decoded from JSON with Secret.Decode.
//
// Only a Value, and a type that contains Values, prints as a mask.
//
// Load reads all secrets with one call of [GetAll], so that fields of the same secret
// belong to the same version. It sets all fields or none. The error lists every failure
// with the name of its field, and contains no secret. Its class is that of [Errors].
//
// A value that does not fit the type of its field is ErrInvalidValue. Load reports
// mistakes in the struct before it sends a request. A malformed tag is ErrInvalidRef. The
// other mistakes are ErrUnsupported: a field that Load cannot set, a struct without tags,
// and a struct with tags behind a pointer or inside a slice, an array or a map.
func Load(ctx context.Context, p Provider, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return NewError("", Ref{}, ErrUnsupported, fmt.Errorf("load: into is a %T; pass a pointer to a struct", into))
	}
	l := loadCall{seen: map[reflect.Type]bool{}}
	l.walk(v.Elem(), "")
	if len(l.fields)+len(l.failures) == 0 {
		return NewError("", Ref{}, ErrUnsupported, fmt.Errorf("load: %T has no field with a secret tag", into))
	}
	if err := l.err(); err != nil {
		return err
	}
	return l.load(ctx, p)
}

// A loadCall is the state of one call of Load.
type loadCall struct {
	fields   []loadField
	failures []*loadFailure
	seen     map[reflect.Type]bool // types without a struct with secret tags
}

type loadField struct {
	name     string // "DB.Password"
	ref      Ref
	optional bool
	to       reflect.Value
}

// walk collects the tagged fields of a struct.
func (l *loadCall) walk(v reflect.Value, within string) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := within + field.Name
		tag, tagged := field.Tag.Lookup("secret")
		switch {
		case tagged && tag == "-":
		case tagged:
			l.add(name, tag, v.Field(i))
		case field.Type.Kind() == reflect.Struct:
			l.walk(v.Field(i), name+".")
		case l.hasTags(field.Type):
			l.fail(name, unfillable("its type "+field.Type.String()+" contains a struct with secret tags; "+
				"Load fills only structs that are fields themselves: use a struct in place of the pointer, slice, array or map"))
		}
	}
}

// hasTags reports whether t is or contains a struct with secret tags.
func (l *loadCall) hasTags(t reflect.Type) bool {
	found := hasTags(t, l.seen)
	if found {
		clear(l.seen) // it contains t
	}
	return found
}

// hasTags reports whether t is or contains a struct with secret tags. Load does not
// reach such a struct behind a pointer or inside a slice, an array or a map.
func hasTags(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return hasTags(t.Elem(), seen)
	case reflect.Map:
		return hasTags(t.Key(), seen) || hasTags(t.Elem(), seen)
	case reflect.Struct:
		for field := range t.Fields() {
			if !field.IsExported() && !field.Anonymous {
				continue
			}
			tag, tagged := field.Tag.Lookup("secret")
			if tagged && tag != "-" || !tagged && hasTags(field.Type, seen) {
				return true
			}
		}
	}
	return false
}

func (l *loadCall) add(name, tag string, to reflect.Value) {
	ref, optional, err := parseTag(tag)
	switch {
	case err != nil:
		l.fail(name, err)
	case !to.CanSet():
		l.fail(name, unfillable("not exported"))
	case !fillable(to.Type()):
		l.fail(name, unfillable("Load cannot fill type "+to.Type().String()))
	case l.hasTags(to.Type()):
		l.fail(name, unfillable("both the field and its type "+to.Type().String()+" have secret tags: remove one of them"))
	default:
		l.fields = append(l.fields, loadField{name, ref, optional, to})
	}
}

func unfillable(why string) error { return NewError("", Ref{}, ErrUnsupported, errors.New(why)) }

// parseTag reads reference[,optional].
func parseTag(tag string) (ref Ref, optional bool, err error) {
	text, option, has := strings.Cut(tag, ",")
	if has && option != "optional" {
		return Ref{}, false, NewError("", Ref{}, ErrInvalidRef,
			fmt.Errorf("%s: only \"optional\" may follow a comma; write %%2C for a comma itself", quote(tag)))
	}
	ref, err = ParseRef(text)
	return ref, has, err
}

// load reads all secrets and, if all of them are valid, sets the fields.
func (l *loadCall) load(ctx context.Context, p Provider) error {
	refs := make([]Ref, len(l.fields))
	for i, f := range l.fields {
		refs[i] = f.ref
	}
	fill := make([]reflect.Value, len(l.fields))
	for i, r := range GetAll(ctx, p, refs...) {
		f := l.fields[i]
		if f.optional && ClassOf(r.Err) == ErrNotFound {
			continue
		}
		if r.Err == nil {
			fill[i], r.Err = f.convert(r.Secret)
		}
		if r.Err != nil {
			l.fail(f.name, r.Err)
		}
	}
	if err := l.err(); err != nil {
		return err
	}
	for i, v := range fill {
		if v.IsValid() {
			l.fields[i].to.Set(v)
		}
	}
	return nil
}

// convert returns s as a value of the field's type. The error omits the text of a
// parser's error, because parsers quote their input.
func (f loadField) convert(s Secret) (reflect.Value, error) {
	to := reflect.New(f.to.Type()).Elem()
	err := fill(to, s)
	if err == nil {
		return to, nil
	}
	if !decodes(to.Type()) { // the error of Decode quotes no secret
		err = fmt.Errorf("not a valid %v", to.Type())
	}
	return reflect.Value{}, NewError(s.Source, f.ref, ErrInvalidValue, err)
}
