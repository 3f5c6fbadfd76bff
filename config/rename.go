package config

import (
	"context"
	"errors"

	"github.com/hush-secrets/hush"
)

// rename makes each link understand the program's names. A front has the names and
// the prefix of its store, where it has none of its own: it reads the same secrets.
func (o *opening) rename() {
	links := map[string]*OpenStore{}
	for i := range o.opened {
		links[o.opened[i].Name] = &o.opened[i]
	}
	for i := range o.opened {
		l := &o.opened[i]
		r := renamed{next: l.Provider, link: l.Name, prefix: l.Prefix, refs: map[string]hush.Ref{}}
		store := links[l.Front]
		if store != nil && r.prefix == "" {
			r.prefix = store.Prefix
		}
		for name, byLink := range o.Names {
			text, ok := byLink[l.Name]
			if !ok && store != nil {
				text, ok = byLink[store.Name]
			}
			if ok {
				r.refs[name], _ = parseAlias(text) // checked
			}
		}
		r.verify()
		l.Provider = r.provider()
	}
}

// A renamed provider is one that has names of its own.
type renamed struct {
	next   hush.Provider
	link   string
	prefix string
	refs   map[string]hush.Ref // by the program's names: Name and Field
}

// verify has next asked for a name of its own in the place of VerifyName.
func (r renamed) verify() {
	v, ok := r.next.(interface{ VerifyName() string })
	if _, given := r.refs[VerifyName]; ok && !given {
		r.refs[VerifyName] = hush.Name(v.VerifyName())
	}
}

// provider returns r as it is to be asked: next itself if there is nothing to rename.
func (r renamed) provider() hush.Provider {
	if r.prefix == "" && len(r.refs) == 0 {
		return r.next
	}
	if batch, ok := r.next.(hush.BatchProvider); ok {
		return renamedBatch{r, batch}
	}
	return r
}

// Get asks next for what it calls ref.
func (r renamed) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	asked, err := r.translate(ref)
	if err != nil {
		return hush.Secret{}, err
	}
	secret, err := r.next.Get(ctx, asked)
	if err != nil {
		return hush.Secret{}, err
	}
	return ref.Select(secret)
}

// translate returns what next is to be asked for. The field of ref is taken from
// that, which may itself be a field.
func (r renamed) translate(ref hush.Ref) (hush.Ref, error) {
	own, ok := r.refs[ref.Name]
	if !ok {
		own.Name = r.prefix + ref.Name
	}
	asked := ref.WithField("").WithField(own.Field)
	asked.Name = own.Name
	if asked.Validate() != nil {
		return asked, hush.NewError(r.link, ref, hush.ErrNotFound, errors.New("with its prefix it is no name that a store can have"))
	}
	return asked, nil
}

// A renamedBatch passes batches on.
type renamedBatch struct {
	renamed
	batch hush.BatchProvider
}

var _ hush.BatchProvider = renamedBatch{}

// GetBatch asks next for what it calls refs. Names that are parts of one secret are
// of one version.
func (r renamedBatch) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	var asked []hush.Ref
	var places []int
	for i, ref := range refs {
		if results[i].Err = ref.Validate(); results[i].Err != nil {
			continue
		}
		own, err := r.translate(ref)
		if results[i].Err = err; err == nil {
			asked, places = append(asked, own), append(places, i)
		}
	}
	for n, result := range hush.GetAll(ctx, r.batch, asked...) {
		i := places[n]
		if results[i] = result; result.Err == nil {
			results[i].Secret, results[i].Err = refs[i].Select(result.Secret)
		}
	}
	return results
}
