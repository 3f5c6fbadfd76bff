package hush

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush/internal/parallel"
)

// A Result is the answer to one Ref of several: a Secret, or the Err because of
// which there is none.
type Result struct {
	Secret Secret
	Err    error
}

// A BatchProvider is a Provider that can be asked for several secrets in fewer
// calls, or knows how many calls at a time are good for its store.
//
// GetBatch returns one Result for each of refs, in their order, and each is what
// Get would have answered: refs may have fields, differ in freshness, repeat, or
// be invalid, and a failure of one is not a failure of the others. GetAll is how a
// program asks; it calls GetBatch with valid and distinct refs that have no Field.
type BatchProvider interface {
	Provider
	GetBatch(ctx context.Context, refs []Ref) []Result
}

// getsAtOnce is how many calls GetAll makes at a time of a Provider that has no
// GetBatch.
const getsAtOnce = 8

// GetAll asks p for several secrets at once, by its GetBatch if it is a
// [BatchProvider], else by eight Gets at a time. It returns one Result for each of
// refs, in their order.
//
// Refs that differ in nothing but their Field are asked for once, so that a user
// name and a password are of one version; the fields are then taken from the one
// answer. An invalid Ref is ErrInvalidRef and reaches no store. A GetBatch that
// returns another number of results than it was asked for is ErrUnavailable for
// all of them. A panic of p is the caller's.
func GetAll(ctx context.Context, p Provider, refs ...Ref) []Result {
	results, places := make([]Result, len(refs)), make([]int, len(refs))
	d := distinct{refs: make([]Ref, 0, len(refs)), places: make(map[distinctKey]int, len(refs))}
	for i, ref := range refs {
		if results[i].Err = ref.Validate(); results[i].Err == nil {
			places[i] = d.add(ref)
		}
	}
	whole, documents := getBatch(ctx, p, d.refs), make([]document, len(d.refs))
	for i, ref := range refs {
		if results[i].Err == nil {
			results[i] = whole[places[i]].of(ref, &documents[places[i]])
		}
	}
	return results
}

// distinct are Refs without repetition and without fields.
type distinct struct {
	refs   []Ref
	places map[distinctKey]int
}

type distinctKey struct {
	whole Ref
	fresh bool
	than  string // the version that the answer must not be
}

// add returns the place of what must be asked for to answer ref.
func (d *distinct) add(ref Ref) int {
	key := distinctKey{whole: ref.Key()}
	asked := key.whole
	asked.freshness = ref.freshness
	if ref.freshness != nil {
		key.fresh = true
		if than := ref.freshness.than; than == nil || than.Version == "" {
			// Without a version a secret is compared by its value, and that of a
			// field differs from any whole one.
			asked = asked.Fresh()
		} else {
			key.than = than.Version
		}
	}
	if place, ok := d.places[key]; ok {
		return place
	}
	place := len(d.refs)
	d.places[key] = place
	d.refs = append(d.refs, asked)
	return place
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
		return miscounted(refs, fmt.Errorf("GetBatch of %T answered %d references with %d results", p, len(refs), len(results)))
	}
	results := make([]Result, len(refs))
	parallel.Each(len(refs), getsAtOnce, func(i int) {
		results[i].Secret, results[i].Err = p.Get(ctx, refs[i])
	})
	return results
}

func miscounted(refs []Ref, cause error) []Result {
	results := make([]Result, len(refs))
	for i, ref := range refs {
		results[i].Err = NewError("", ref, ErrUnavailable, cause)
	}
	return results
}

// of returns the Result of ref, where r is the Result of ref without its field. d is
// the document of r's secret.
func (r Result) of(ref Ref, d *document) Result {
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

// Errors joins the errors of results, and is nil if there are none. A single one
// is returned as it is.
//
// errors.Is and errors.As find each of several. ClassOf is the class of one that
// decides for all: the first outage (ErrThrottled, ErrUnavailable, ErrRefused,
// ErrAbsent), else the first that is not ErrNotFound, else ErrNotFound. So it is
// ErrNotFound only if every store was there and had none of what failed.
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
