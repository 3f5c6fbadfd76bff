// Package hushkoanf loads secrets into koanf from any hush.Provider.
//
// The tree holds the text of the secrets, because that is what koanf's getters and
// its Unmarshal are for. Nothing hides it any more: Print, Sprint, All, Raw and
// Marshal show it, and so does whoever logs a struct that it was unmarshalled into.
// What should hide itself is read by [hush.Load], which fills a [hush.Value].
//
// The tree is a copy. After a rotation it has the old secret until the program loads
// again, from cachettl.Options.OnRotate for one; what logs in with a secret does so
// by [hush.Use] and not from a tree.
package hushkoanf

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"

	"github.com/hush-secrets/hush"
)

const name = "hushkoanf"

// Secrets is a koanf.Provider of chosen secrets.
type Secrets struct {
	ctx     context.Context
	secrets hush.Provider
	refs    map[string]string
	delim   string
}

var _ koanf.Provider = (*Secrets)(nil)

// Provider returns what koanf's Load reads, with a nil Parser: refs has a reference,
// as [hush.ParseRef] reads it, for each key that is to have a secret. delim is that
// of the koanf, and splits the keys; with an empty one they are not split. ctx bounds
// each Read.
func Provider(ctx context.Context, secrets hush.Provider, refs map[string]string, delim string) *Secrets {
	return &Secrets{ctx: ctx, secrets: secrets, refs: maps.Clone(refs), delim: delim}
}

// Read asks for all the secrets together, by [hush.GetAll], so that fields of one
// secret are of one version. It returns a tree of them, each as a string with the
// secret's bytes, or every failure in one error as [hush.Errors] joins them, each
// with its key. Of two keys of which one is within the other it says ErrUnsupported.
func (s *Secrets) Read() (map[string]any, error) {
	keys := slices.Sorted(maps.Keys(s.refs))
	results := s.ask(keys)
	tree := map[string]any{}
	for i, key := range keys {
		r := &results[i]
		if r.Err == nil && !put(tree, s.path(key), r.Secret.Value.Reveal()) {
			r.Err = hush.NewError(name, hush.Ref{}, hush.ErrUnsupported, errors.New("it is within another key"))
		}
		if r.Err != nil {
			r.Err = fmt.Errorf("key %q: %w", key, r.Err)
		}
	}
	if err := hush.Errors(results); err != nil {
		return nil, err
	}
	return tree, nil
}

// ask returns a result for each of keys. A reference that does not parse is the zero
// Ref to GetAll, which asks no store about it.
func (s *Secrets) ask(keys []string) []hush.Result {
	refs, faults := make([]hush.Ref, len(keys)), make([]error, len(keys))
	for i, key := range keys {
		refs[i], faults[i] = hush.ParseRef(s.refs[key])
	}
	results := hush.GetAll(s.ctx, s.secrets, refs...)
	for i, err := range faults {
		if err != nil {
			results[i].Err = err
		}
	}
	return results
}

func (s *Secrets) path(key string) []string {
	if s.delim == "" {
		return []string{key}
	}
	return strings.Split(key, s.delim)
}

// put sets the leaf at path, and reports whether there is a place for it. A key comes
// in order before those that would be within it.
func put(tree map[string]any, path []string, leaf string) bool {
	last := len(path) - 1
	for _, part := range path[:last] {
		if tree[part] == nil {
			tree[part] = map[string]any{}
		}
		branch, ok := tree[part].(map[string]any)
		if !ok {
			return false
		}
		tree = branch
	}
	tree[path[last]] = leaf
	return true
}

// ReadBytes is ErrUnsupported: there is nothing for a Parser to read.
func (s *Secrets) ReadBytes() ([]byte, error) {
	return nil, hush.NewError(name, hush.Ref{}, hush.ErrUnsupported, errors.New("it is loaded without a Parser"))
}
