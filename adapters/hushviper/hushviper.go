// Package hushviper resolves references to secrets in a viper configuration:
//
//	db:
//	  user: orders
//	  password: hush://prod/orders/db#password
//
// viper resolves a reference when it unmarshals the configuration into a struct, for a
// field of type [hush.Value] or [hush.Secret]. This has three advantages:
//
//   - viper has the reference and not the secret. Get returns the reference, and
//     WriteConfig, AllSettings and Debug do not show the secret. The struct has a
//     hush.Value, which does not print it either.
//   - Flags and variables override the file as usual.
//   - The program decides which fields are secrets. A reference in another field is not
//     resolved.
//
// The package is not a remote provider of viper. viper keeps remote providers in global
// variables, calls them without a context and drops their errors.
package hushviper

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"github.com/hush-secrets/hush"
)

const (
	source = "hushviper"
	scheme = "hush://"
)

// Resolve returns an option for Unmarshal, UnmarshalKey and UnmarshalExact of viper. The
// option fills fields of the types [hush.Value] and [hush.Secret]. The text hush://REF
// stands for the secret that REF names, in the form of [hush.ParseRef]. Any other text
// is the secret itself, so that a laptop needs no store.
//
// Resolve keeps a decode hook that an option before it has set. A viper.DecodeHook after
// it replaces it.
//
// All secrets are read with one call of [hush.GetAll], so that the fields of one secret
// have the same version. The error of viper has all failures and the class of
// [hush.Errors]. These are ErrUnsupported: a reference for a field of type string, a
// string with hush:// after its start, and a secret that is not a string. A mistake in the
// configuration is reported before any store is called.
//
// The struct has a copy. After a rotation, it has the old secret until the program
// unmarshals again.
func Resolve(ctx context.Context, secrets hush.Provider) viper.DecoderConfigOption {
	return func(c *mapstructure.DecoderConfig) {
		r := &resolver{ctx: ctx, secrets: secrets, config: c, next: c.DecodeHook}
		c.DecodeHook = before(r.next, r.hook)
	}
}

// before returns a hook that calls first and then next. next may be nil.
func before(next mapstructure.DecodeHookFunc, first mapstructure.DecodeHookFuncValue) mapstructure.DecodeHookFunc {
	if next == nil {
		return first
	}
	return mapstructure.ComposeDecodeHookFunc(first, next)
}

// A resolver is the hook of one decoding.
type resolver struct {
	ctx     context.Context
	secrets hush.Provider
	config  *mapstructure.DecoderConfig
	next    mapstructure.DecodeHookFunc

	found map[string]hush.Secret // by the text in the configuration; nil before the first call
}

// hook fills one value. The decoder calls it first for the whole configuration, and then
// for each part. The first call reads all secrets.
func (r *resolver) hook(from, to reflect.Value) (any, error) {
	if r.found == nil {
		texts, err := r.references(from, to.Type())
		if err != nil {
			return nil, err
		}
		if r.found, err = r.get(texts); err != nil {
			return nil, err
		}
	}
	return fill(from, to.Type(), func(text string) (hush.Secret, error) {
		secret, ok := r.found[text]
		if !ok {
			return secret, unsupported("a decode hook returned a new reference; it must return the same value each time")
		}
		return secret, nil
	})
}

// references returns the references that the struct needs. It finds them by decoding
// into a second struct, which it drops.
func (r *resolver) references(from reflect.Value, to reflect.Type) ([]string, error) {
	texts := map[string]bool{}
	config := *r.config
	config.Metadata, config.Result = nil, reflect.New(to).Interface()
	config.DecodeHook = before(r.next, func(from, to reflect.Value) (any, error) {
		return fill(from, to.Type(), func(text string) (hush.Secret, error) {
			texts[text] = true
			return hush.Secret{}, nil
		})
	})
	decoder, err := mapstructure.NewDecoder(&config)
	if err != nil {
		return nil, err
	}
	if err := decoder.Decode(from.Interface()); err != nil {
		return nil, errors.Unwrap(err) // the outer decoding wraps the error again
	}
	return slices.Sorted(maps.Keys(texts)), nil
}

// get returns the secrets of the references. An invalid reference becomes the zero Ref;
// GetAll reports it without a call of a store.
func (r *resolver) get(texts []string) (map[string]hush.Secret, error) {
	refs, invalid := make([]hush.Ref, len(texts)), make([]error, len(texts))
	for i, text := range texts {
		refs[i], invalid[i] = hush.ParseRef(strings.TrimPrefix(text, scheme))
	}
	results, found := hush.GetAll(r.ctx, r.secrets, refs...), map[string]hush.Secret{}
	for i, text := range texts {
		if invalid[i] != nil {
			results[i].Err = invalid[i]
		}
		found[text] = results[i].Secret
	}
	return found, hush.Errors(results)
}

var (
	valueType  = reflect.TypeFor[hush.Value]()
	secretType = reflect.TypeFor[hush.Secret]()
)

// fill returns the value of from for a field of type to. get returns the secret of a
// reference.
func fill(from reflect.Value, to reflect.Type, get func(text string) (hush.Secret, error)) (any, error) {
	text, isRef := "", false
	if from.Kind() == reflect.String {
		text = from.String()
		isRef = strings.HasPrefix(text, scheme)
	}
	isText := to == valueType || to == secretType || to.Kind() == reflect.String
	switch {
	case isText && hasInnerReference(text):
		return nil, unsupported("%s inside a value; write the reference as a value of its own, and join the parts in the program", scheme)
	case to != valueType && to != secretType:
		if isRef && to.Kind() == reflect.String {
			return nil, unsupported("a reference in a field of type %v; use hush.Value or hush.Secret", to)
		}
		return from.Interface(), nil
	case from.Type() == to:
		return from.Interface(), nil
	case from.Kind() != reflect.String:
		return nil, unsupported("a secret of type %v; write it as a string", from.Type())
	}
	var secret hush.Secret
	var err error
	if isRef {
		secret, err = get(text)
	} else {
		err = secret.Value.UnmarshalText([]byte(text))
	}
	if to == valueType {
		return secret.Value, err
	}
	return secret, err
}

// hasInnerReference reports whether text has a reference after its start, or in capitals.
func hasInnerReference(text string) bool {
	return strings.Contains(strings.ToLower(strings.TrimPrefix(text, scheme)), scheme)
}

func unsupported(format string, args ...any) error {
	return hush.NewError(source, hush.Ref{}, hush.ErrUnsupported, fmt.Errorf(format, args...))
}
