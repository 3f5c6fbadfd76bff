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
// A tag is a reference as ParseRef reads it, in which %2C stands for a comma. With
// ",optional" a secret or field that is ErrNotFound, and no other failure, leaves
// the field as it is. Fields without a tag that are structs are walked; "-" keeps
// Load out of one. Pointers are not followed.
//
// A field is replaced as a whole, by its type: a [Secret] or a [Value]; what
// encoding.TextUnmarshaler reads; a string or []byte, byte for byte; a bool, a
// number or a time.Duration as strconv and time parse them; any other struct,
// map, slice or array from JSON, as Secret.Decode does. Of those a Value alone
// hides its secret when it is printed.
//
// All secrets are asked for together by [GetAll], so that fields of one secret are
// of one version, and all fields are filled, or none. Every failure is in the
// error, with the name of its field and as in [Errors]; none quotes a secret. What
// Load cannot fill is ErrUnsupported and a tag that is no reference is
// ErrInvalidRef, both before anything is asked for. A value that does not fit its
// field is ErrUnavailable.
func Load(ctx context.Context, p Provider, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return NewError("", Ref{}, ErrUnsupported, fmt.Errorf("load: into is a %T, and must point to a struct", into))
	}
	var l loading
	l.walk(v.Elem(), "")
	if len(l.errs) > 0 {
		return join(l.errs)
	}
	return l.load(ctx, p)
}

// loading is one Load under way.
type loading struct {
	fields []loadField
	errs   []error
}

type loadField struct {
	name     string // "DB.Password"
	ref      Ref
	optional bool
	to       reflect.Value
}

func (l *loading) fail(name string, err error) {
	l.errs = append(l.errs, fmt.Errorf("load: field %s: %w", name, err))
}

// walk collects the tagged fields of a struct.
func (l *loading) walk(v reflect.Value, within string) {
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
		case pointsToTags(field.Type):
			l.fail(name, unfillable("a pointer to a struct with tags, which Load does not follow"))
		}
	}
}

// pointsToTags sees the mistake that would leave fields empty without a word.
func pointsToTags(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return false
	}
	for field := range t.Elem().Fields() {
		if tag, tagged := field.Tag.Lookup("secret"); tagged && tag != "-" {
			return true
		}
	}
	return false
}

func (l *loading) add(name, tag string, to reflect.Value) {
	ref, optional, err := parseTag(tag)
	switch {
	case err != nil:
		l.fail(name, err)
	case !to.CanSet():
		l.fail(name, unfillable("not exported"))
	case !fillable(to.Type()):
		l.fail(name, unfillable("Load cannot fill type "+to.Type().String()))
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
			fmt.Errorf("%s: after a comma only \"optional\" may follow; write %%2C for a comma itself", quote(tag)))
	}
	ref, err = ParseRef(text)
	return ref, has, err
}

// load asks for all secrets, and fills the fields once it has what all need.
func (l *loading) load(ctx context.Context, p Provider) error {
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
	if len(l.errs) > 0 {
		return join(l.errs)
	}
	for i, v := range fill {
		if v.IsValid() {
			l.fields[i].to.Set(v)
		}
	}
	return nil
}

// convert returns s as a value of the field's type. What parsers say is left out:
// they quote what they cannot parse.
func (f loadField) convert(s Secret) (reflect.Value, error) {
	to := reflect.New(f.to.Type()).Elem()
	err := fill(to, s)
	if err == nil {
		return to, nil
	}
	if !decodes(to.Type()) { // Decode's error says where, and quotes nothing
		err = fmt.Errorf("the value is not a valid %v", to.Type())
	}
	return reflect.Value{}, NewError(s.Source, f.ref, ErrUnavailable, err)
}
