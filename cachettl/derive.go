package cachettl

import (
	"context"

	"github.com/hush-secrets/hush"
)

// GetDerived returns the value that derive computes from the secret that ref names,
// such as a parsed certificate or an encoded response. It finds the secret as Get
// does, and calls derive without a lock. The cache keeps the value with the secret and
// returns it for later hits, until it drops the secret: after Forget, a rotation or
// the expiry. A secret that is marked Stale has its own value.
//
// The key identifies derive among the functions of all callers. It must be comparable
// and, as a key of [context.WithValue], have a type of the caller's package. Calls with
// the same key and the same ref must have equivalent functions. Goroutines share the
// value and must not change it. A value that contains the secret should hide it from
// printers, as [hush.Value] does.
func (c *Cache) GetDerived(ctx context.Context, ref hush.Ref, key any, derive func(hush.Secret) any) (any, error) {
	r, err := c.get(ctx, &ref)
	if err != nil {
		return nil, err
	}
	return r.derive(ref, key, derive)
}

// maxDerived bounds the values that are kept for one secret.
const maxDerived = 64

// A derivation is the value that one function computed from one field of a secret. It
// is immutable.
type derivation struct {
	key   any
	field string // empty: the whole secret
	value any

	next   *derivation
	length int // of the list from here on
}

// find returns the derivation of key and field in the list, or nil.
func (d *derivation) find(key any, field string) *derivation {
	for d != nil && (d.key != key || d.field != field) {
		d = d.next
	}
	return d
}

// derive returns the kept value for key and the field of ref, or calls derive. If two
// values are added at the same time, one of them is lost and derived again later.
func (r *record) derive(ref hush.Ref, key any, derive func(hush.Secret) any) (any, error) {
	if r.err != nil {
		return nil, r.err
	}
	known := r.selections.derived.Load()
	if d := known.find(key, ref.Field); d != nil {
		return d.value, nil
	}
	secret, err := r.selectField(&ref)
	if err != nil {
		return nil, err
	}
	d := &derivation{key: key, field: ref.Field, value: derive(*secret), next: known, length: 1}
	if known != nil {
		d.length += known.length
	}
	if d.length <= maxDerived {
		r.selections.derived.CompareAndSwap(known, d)
	}
	return d.value, nil
}
