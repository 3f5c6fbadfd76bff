// Package hushkoanf loads secrets from a hush.Provider into koanf.
//
// The secrets in koanf are plain text. Print, Sprint, All, Raw and Marshal show them,
// and so does a log line of a struct that koanf has filled. To protect a secret from
// such output, read it with [hush.Load], which fills a [hush.Value].
//
// koanf has a copy. After a rotation, it returns the old secret until the program loads
// again, for example in cachettl.Options.OnRotate. To log in with a secret, use
// [hush.Use] instead, which retries after a rotation.
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

const source = "hushkoanf"

// Secrets is a koanf.Provider of the secrets that Provider was called with.
type Secrets struct {
	ctx     context.Context
	secrets hush.Provider
	refs    map[string]string
	delim   string
}

var _ koanf.Provider = (*Secrets)(nil)

// Provider returns a koanf.Provider for Koanf.Load with a nil Parser. refs maps the keys
// in koanf to references, in the form of [hush.ParseRef]. delim is the delimiter of the
// Koanf and splits the keys. Empty means that the keys are not split. ctx limits each
// Read.
func Provider(ctx context.Context, secrets hush.Provider, refs map[string]string, delim string) *Secrets {
	return &Secrets{ctx: ctx, secrets: secrets, refs: maps.Clone(refs), delim: delim}
}

// Read reads all secrets with one call of [hush.GetAll], so that the fields of one secret
// have the same version. It returns a tree with the bytes of each secret as a string. If
// a secret fails, Read returns all failures as [hush.Errors] does, each with its key. A
// key within another key, such as db.user within db, is ErrUnsupported.
func (s *Secrets) Read() (map[string]any, error) {
	keys := slices.Sorted(maps.Keys(s.refs))
	results := s.get(keys)
	tree := map[string]any{}
	for i, key := range keys {
		r := &results[i]
		if r.Err == nil && !put(tree, s.path(key), r.Secret.Value.Reveal()) {
			r.Err = hush.NewError(source, hush.Ref{}, hush.ErrUnsupported, errors.New("the key is within another key; load only one of them"))
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

// get returns a result for each of keys. An invalid reference becomes the zero Ref, for
// which GetAll calls no store.
func (s *Secrets) get(keys []string) []hush.Result {
	refs, invalid := make([]hush.Ref, len(keys)), make([]error, len(keys))
	for i, key := range keys {
		refs[i], invalid[i] = hush.ParseRef(s.refs[key])
	}
	results := hush.GetAll(s.ctx, s.secrets, refs...)
	for i, err := range invalid {
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

// put sets the leaf at path. It reports false if the path continues another leaf. Keys
// come in alphabetical order, so the shorter key is always in the tree first.
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

// ReadBytes returns ErrUnsupported, because Secrets has no text for a Parser.
func (s *Secrets) ReadBytes() ([]byte, error) {
	return nil, hush.NewError(source, hush.Ref{}, hush.ErrUnsupported, errors.New("no text for a Parser; pass nil to Load"))
}
