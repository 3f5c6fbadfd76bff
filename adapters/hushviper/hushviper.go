// Package hushviper resolves the references to secrets that viper's configuration
// holds:
//
//	db:
//	  user: orders
//	  password: hush://prod/orders/db#password
//
// A reference is resolved when the configuration is unmarshalled, where the struct
// says by its type that it wants a secret. So viper itself holds the reference and
// never the secret, which WriteConfig, AllSettings and Debug would show; the struct
// holds a [hush.Value], which hides itself; flags and variables override the file as
// ever; and a variable that somebody sets puts no secret where the program did not
// mean one to be. Get and its like return the reference.
//
// It is no remote provider of viper's, because those are kept in global variables,
// are asked without a context, and lose what failed.
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
	name   = "hushviper"
	scheme = "hush://"
)

// Resolve returns an option for viper's Unmarshal, UnmarshalKey and UnmarshalExact,
// with which fields of the types [hush.Value] and [hush.Secret] are filled: from the
// secret that hush://REF names, REF being what [hush.ParseRef] reads, or else from
// the text itself, so that a laptop needs no store. It works together with the
// decode hook that was set before it; DecodeHook after it would take its place.
//
// All secrets are asked for together by [hush.GetAll], so that fields of one secret
// are of one version, and every failure is in the one error that viper returns, by
// class as in [hush.Errors]. A reference for a field of type string, a string with
// hush:// in its middle, and anything but a string for a secret, are ErrUnsupported. If
// anything else is wrong with the configuration no store is asked.
//
// The struct is a copy, and has the old secret after a rotation until it is
// unmarshalled again.
func Resolve(ctx context.Context, secrets hush.Provider) viper.DecoderConfigOption {
	return func(c *mapstructure.DecoderConfig) {
		r := &resolver{ctx: ctx, secrets: secrets, config: c, next: c.DecodeHook}
		c.DecodeHook = before(r.next, r.hook)
	}
}

// before returns a hook that is first and then, if there is one, next.
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

	found map[string]hush.Secret // by the text in the configuration; nil before it was asked
}

// hook is called for each value of the configuration, the whole of it first.
func (r *resolver) hook(from, to reflect.Value) (any, error) {
	if r.found == nil {
		texts, err := r.search(from, to.Type())
		if err != nil {
			return nil, err
		}
		if r.found, err = r.ask(texts); err != nil {
			return nil, err
		}
	}
	return fill(from, to.Type(), func(text string) (hush.Secret, error) {
		secret, ok := r.found[text]
		if !ok {
			return secret, unsupported("the reference was not there at first: it is a decode hook's")
		}
		return secret, nil
	})
}

// search returns the references that are needed: it decodes everything into something
// that is then forgotten.
func (r *resolver) search(from reflect.Value, to reflect.Type) ([]string, error) {
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
		return nil, errors.Unwrap(err) // the decoding that calls the hook wraps it once more
	}
	return slices.Sorted(maps.Keys(texts)), nil
}

// ask returns what the references name. One that does not parse is the zero Ref to
// GetAll, which asks no store about it.
func (r *resolver) ask(texts []string) (map[string]hush.Secret, error) {
	refs, faults := make([]hush.Ref, len(texts)), make([]error, len(texts))
	for i, text := range texts {
		refs[i], faults[i] = hush.ParseRef(strings.TrimPrefix(text, scheme))
	}
	results, found := hush.GetAll(r.ctx, r.secrets, refs...), map[string]hush.Secret{}
	for i, text := range texts {
		if faults[i] != nil {
			results[i].Err = faults[i]
		}
		found[text] = results[i].Secret
	}
	return found, hush.Errors(results)
}

var (
	valueType  = reflect.TypeFor[hush.Value]()
	secretType = reflect.TypeFor[hush.Secret]()
)

// fill returns what from is to a field of type to, where get answers a reference.
func fill(from reflect.Value, to reflect.Type, get func(text string) (hush.Secret, error)) (any, error) {
	text, isRef := "", false
	if from.Kind() == reflect.String {
		text = from.String()
		isRef = strings.HasPrefix(text, scheme)
	}
	isText := to == valueType || to == secretType || to.Kind() == reflect.String
	switch {
	case isText && embeds(text):
		return nil, unsupported("the value contains %s; a reference must be the whole value: resolve the parts by themselves and join them in the program", scheme)
	case to != valueType && to != secretType:
		if isRef && to.Kind() == reflect.String {
			return nil, unsupported("a reference is for a hush.Value or a hush.Secret, and not for a %v", to)
		}
		return from.Interface(), nil
	case from.Type() == to:
		return from.Interface(), nil
	case from.Kind() != reflect.String:
		return nil, unsupported("a secret is written as a string, and not as %v", from.Type())
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

// embeds reports whether text has a reference anywhere but as a whole.
func embeds(text string) bool {
	return strings.Contains(strings.ToLower(strings.TrimPrefix(text, scheme)), scheme)
}

func unsupported(format string, args ...any) error {
	return hush.NewError(name, hush.Ref{}, hush.ErrUnsupported, fmt.Errorf(format, args...))
}
