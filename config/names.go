package config

import (
	"context"
	"errors"

	"github.com/hush-secrets/hush"
)

// rename makes each store understand the program's names. A front has the names and the
// prefix of its store, unless it has its own, because it reads the same secrets.
func (o *opening) rename() {
	stores := map[string]*OpenStore{}
	for i := range o.opened {
		stores[o.opened[i].Name] = &o.opened[i]
	}
	for i := range o.opened {
		s := &o.opened[i]
		r := renamer{next: s.Provider, store: s.Name, prefix: s.Prefix, refs: map[string]hush.Ref{}}
		behind := stores[s.Front]
		if behind != nil && r.prefix == "" {
			r.prefix = behind.Prefix
		}
		for name, byStore := range o.Names {
			text, ok := byStore[s.Name]
			if !ok && behind != nil {
				text, ok = byStore[behind.Name]
			}
			if ok {
				r.refs[name], _ = parseAlias(text) // valid, because check has parsed it
			}
		}
		r.setVerifyName()
		s.Provider = r.provider()
	}
}

// A renamer calls next with the names of its store.
type renamer struct {
	next   hush.Provider
	store  string
	prefix string
	refs   map[string]hush.Ref // Name and Field in the store, by the program's name
}

// setVerifyName replaces VerifyName by the name that next prefers.
func (r renamer) setVerifyName() {
	v, ok := r.next.(interface{ VerifyName() string })
	if _, configured := r.refs[VerifyName]; ok && !configured {
		r.refs[VerifyName] = hush.Name(v.VerifyName())
	}
}

// provider returns r, or next if there is nothing to rename.
func (r renamer) provider() hush.Provider {
	if r.prefix == "" && len(r.refs) == 0 {
		return r.next
	}
	if batch, ok := r.next.(hush.BatchProvider); ok {
		return batchRenamer{r, batch}
	}
	return r
}

// Get returns the secret that the store has for ref.
func (r renamer) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	own, err := r.translate(ref)
	if err != nil {
		return hush.Secret{}, err
	}
	secret, err := r.next.Get(ctx, own)
	if err != nil {
		return hush.Secret{}, err
	}
	return ref.Select(secret)
}

// translate returns the reference in the store for ref. It has the Field of the entry
// in Names. The Field of ref is a part of that.
func (r renamer) translate(ref hush.Ref) (hush.Ref, error) {
	if err := ref.Validate(); err != nil {
		return ref, err
	}
	entry, ok := r.refs[ref.Name]
	if !ok {
		entry = hush.Name(r.prefix + ref.Name)
	}
	own := ref.WithField("").WithField(entry.Field)
	own.Name = entry.Name
	if own.Validate() != nil {
		return own, hush.NewError(r.store, ref, hush.ErrNotFound, errors.New("the name with the prefix is not valid in any store"))
	}
	return own, nil
}

// A batchRenamer is a renamer that passes batches on.
type batchRenamer struct {
	renamer
	batch hush.BatchProvider
}

var _ hush.BatchProvider = batchRenamer{}

// GetBatch returns the secrets that the store has for refs. Names of fields of one
// secret have the same version.
func (r batchRenamer) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	var own []hush.Ref
	var indexes []int
	for i, ref := range refs {
		translated, err := r.translate(ref)
		if results[i].Err = err; err == nil {
			own, indexes = append(own, translated), append(indexes, i)
		}
	}
	for n, result := range hush.GetAll(ctx, r.batch, own...) {
		i := indexes[n]
		if results[i] = result; result.Err == nil {
			results[i].Secret, results[i].Err = refs[i].Select(result.Secret)
		}
	}
	return results
}
