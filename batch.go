package hush

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush/internal/parallel"
)

// A Result is the result for one Ref of GetAll: a Secret, or the error that prevented
// it.
type Result struct {
	Secret Secret
	Err    error
}

// A BatchProvider is a Provider that reads several secrets in one request, or that
// limits the number of concurrent requests to its store.
//
// GetBatch returns one Result for each of refs, in the order of refs. Each Result is
// what Get would return. Refs may have fields, differ in freshness, repeat or be
// invalid. A failure of one ref does not affect the others.
//
// Programs call [GetAll]. It calls GetBatch with valid, distinct refs without a Field.
type BatchProvider interface {
	Provider
	GetBatch(ctx context.Context, refs []Ref) []Result
}

// maxGets is the number of concurrent calls of Get that GetAll makes if the Provider
// has no GetBatch.
const maxGets = 8

// GetAll reads several secrets. If p is a [BatchProvider], it calls GetBatch once;
// otherwise it calls Get for up to eight refs at a time. It returns one Result for each
// of refs, in the order of refs.
//
// GetAll reads refs that differ only in their Field once, so that a user name and a
// password belong to the same version. An invalid ref fails with ErrInvalidRef and is
// not read. If GetBatch returns a wrong number of results, all refs fail with
// ErrUnavailable. A panic of p reaches the caller.
func GetAll(ctx context.Context, p Provider, refs ...Ref) []Result {
	results, indexes := make([]Result, len(refs)), make([]int, len(refs))
	d := distinct{refs: make([]Ref, 0, len(refs)), indexes: make(map[distinctKey]int, len(refs))}
	for i, ref := range refs {
		if results[i].Err = ref.Validate(); results[i].Err == nil {
			indexes[i] = d.add(ref)
		}
	}
	secrets, documents := getBatch(ctx, p, d.refs), make([]document, len(d.refs))
	for i, ref := range refs {
		if results[i].Err == nil {
			results[i] = secrets[indexes[i]].selectField(ref, &documents[indexes[i]])
		}
	}
	return results
}

// distinct holds distinct Refs without a Field.
type distinct struct {
	refs    []Ref
	indexes map[distinctKey]int
}

type distinctKey struct {
	key         Ref
	fresh       bool
	thanVersion string  // of NewerThan
	than        *Secret // of NewerThan, if that secret has no version
}

// add adds ref without its Field, unless refs already contains it. It returns the index
// in refs.
func (d *distinct) add(ref Ref) int {
	whole := ref.WithField("")
	key := distinctKey{key: whole.Key()}
	key.than, key.fresh = whole.Freshness()
	if key.than != nil && key.than.Version != "" {
		key.than, key.thanVersion = nil, key.than.Version
	}
	if i, ok := d.indexes[key]; ok {
		return i
	}
	i := len(d.refs)
	d.indexes[key] = i
	next := key.key
	next.freshness = whole.freshness
	d.refs = append(d.refs, next)
	return i
}

// getBatch returns one result for each of refs.
func getBatch(ctx context.Context, p Provider, refs []Ref) []Result {
	if len(refs) == 0 {
		return nil
	}
	if batch, ok := p.(BatchProvider); ok {
		results := batch.GetBatch(ctx, refs)
		if len(results) == len(refs) {
			return results
		}
		return failAll(refs, fmt.Errorf("GetBatch of %T returned %d results for %d references", p, len(results), len(refs)))
	}
	results := make([]Result, len(refs))
	parallel.Each(len(refs), maxGets, func(i int) {
		results[i].Secret, results[i].Err = p.Get(ctx, refs[i])
	})
	return results
}

func failAll(refs []Ref, cause error) []Result {
	results := make([]Result, len(refs))
	for i, ref := range refs {
		results[i].Err = NewError("", ref, ErrUnavailable, cause)
	}
	return results
}

// selectField returns the Result for ref. r is the Result for ref without its Field, and
// d is the document of the secret of r.
func (r Result) selectField(ref Ref, d *document) Result {
	switch e := r.Err.(type) {
	case nil:
		secret, err := ref.selectFrom(r.Secret, d)
		return Result{Secret: secret, Err: err}
	case *Error:
		if e != nil && e.Ref == ref.Key() {
			return Result{Err: NewError(e.Provider, ref, e.Class, e.Err)}
		}
	}
	return Result{Err: r.Err}
}

// Errors joins the errors of results. It returns nil if there is none, and a single
// error unchanged.
//
// errors.Is and errors.As find each of the joined errors. The class of the joined error
// is the class of the first outage: ErrThrottled, ErrUnavailable, ErrRefused or
// ErrAbsent. Without an outage, it is the first class other than ErrNotFound. It is
// ErrNotFound only if every error is.
func Errors(results []Result) error {
	var errs []error
	for _, r := range results {
		if r.Err != nil {
			errs = append(errs, r.Err)
		}
	}
	return join(errs)
}

func join(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	decided := ErrNotFound
	for _, err := range errs {
		class := ClassOf(err)
		if errors.Is(class, ErrUnavailable) || class == ErrThrottled {
			decided = class
			break
		}
		if decided == ErrNotFound {
			decided = class
		}
	}
	return NewError("", Ref{}, decided, errors.Join(errs...))
}
