package hush_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

// A batcher is a Map with a GetBatch that records its batches.
type batcher struct {
	providertest.Map
	batches [][]hush.Ref
	answer  func(refs []hush.Ref) []hush.Result // nil: from the Map
}

func (b *batcher) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	b.batches = append(b.batches, slices.Clone(refs))
	if b.answer != nil {
		return b.answer(refs)
	}
	results := make([]hush.Result, len(refs))
	for i, ref := range refs {
		results[i].Secret, results[i].Err = b.Get(ctx, ref)
	}
	return results
}

func TestGetAll(t *testing.T) {
	refs := []hush.Ref{
		{Name: "db", Field: "user"},
		{Name: "none", Field: "x"},
		{Name: ""},
		{Name: "db", Stage: hush.CurrentStage, Field: "password"},
		{Name: "api"},
		{Name: "db", Field: "nope"},
		{Name: "db", Stage: "AWSPREVIOUS"},
		{Name: "api"},
	}
	single, batch := &providertest.Map{}, &batcher{}
	for name, m := range map[string]*providertest.Map{"single": single, "batch": &batch.Map} {
		m.Put("db", []byte(`{"user":"old"}`))
		m.Put("db", []byte(`{"user":"app","password":"canary-22"}`))
		m.Put("api", []byte("key"))
		p := map[string]hush.Provider{"single": single, "batch": batch}[name]
		results := hush.GetAll(t.Context(), p, refs...)
		require.Len(t, results, len(refs), name)
		for i, want := range []string{"app", "", "", "canary-22", "key", "", `{"user":"old"}`, "key"} {
			assert.Equal(t, want, results[i].Secret.Value.Reveal(), "%s %d", name, i)
			assert.Equal(t, want == "", results[i].Err != nil, "%s %d: %v", name, i, results[i].Err)
			assert.Empty(t, providertest.Leaks(results[i].Err, "canary-22"))
		}
		assert.EqualError(t, results[1].Err, `map: "none#x": not found`, "the error names the requested field")
		assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(results[2].Err))
		assert.EqualError(t, results[5].Err, `map: "db#nope": not found: no field "nope"`)
		assert.ElementsMatch(t, []hush.Ref{{Name: "db"}, {Name: "none"}, {Name: "api"}, {Name: "db", Stage: "AWSPREVIOUS"}}, m.Calls(), "each once")
	}
	require.Len(t, batch.batches, 1)
	assert.Equal(t, []hush.Ref{{Name: "db"}, {Name: "none"}, {Name: "api"}, {Name: "db", Stage: "AWSPREVIOUS"}}, batch.batches[0])
}

// For each freshness, the fields of a secret belong to one version.
func TestGetAllKeepsTheFreshnessOfEachRef(t *testing.T) {
	b := &batcher{}
	version := b.Put("db", []byte(`{"user":"app","password":"p"}`))
	v1 := hush.Secret{Version: version, Value: hush.NewValue([]byte("app"))}
	unnamed := hush.Secret{Value: hush.NewValue([]byte("app"))}
	user, password := hush.Ref{Name: "db", Field: "user"}, hush.Ref{Name: "db", Field: "password"}
	hush.GetAll(t.Context(), b,
		user, password, user.Fresh(), password.Fresh(), user.NewerThan(v1), password.NewerThan(v1), user.NewerThan(unnamed))
	require.Len(t, b.batches, 1)
	got := b.batches[0]
	require.Equal(t, []string{"plain", "fresh", "newer"}, asks(got), "the value of a field cannot be compared with that of a whole secret")
	for _, ref := range got {
		assert.Empty(t, ref.Field)
	}
	than, _ := got[2].Freshness()
	assert.Equal(t, version, than.Version)

	hush.GetAll(t.Context(), b, user.NewerThan(unnamed))
	assert.Equal(t, []string{"fresh"}, asks(b.batches[1]))

	hush.GetAll(t.Context(), b, hush.Name("db").NewerThan(unnamed))
	assert.Equal(t, []string{"newer"}, asks(b.batches[2]), "whole secrets are compared by value")
}

func TestGetAllWithoutRefs(t *testing.T) {
	b := &batcher{}
	assert.Empty(t, hush.GetAll(t.Context(), b))
	assert.Len(t, hush.GetAll(t.Context(), b, hush.Name(""), hush.Name("a\nb")), 2)
	assert.Empty(t, b.batches, "GetBatch is not called without valid refs")
}

func TestGetAllMakesEightCallsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		count := func(d int) {
			mu.Lock()
			defer mu.Unlock()
			now += d
			most = max(most, now)
		}
		p := hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
			count(1)
			time.Sleep(time.Second)
			count(-1)
			return hush.Secret{}, nil
		})
		var refs []hush.Ref
		for i := range 20 {
			refs = append(refs, hush.Name(fmt.Sprint(i)))
		}
		start := time.Now()
		hush.GetAll(t.Context(), p, refs...)
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.Equal(t, 8, most)
	})
}

func TestGetAllRefusesAWrongNumberOfResults(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		b := &batcher{answer: func([]hush.Ref) []hush.Result { return make([]hush.Result, n) }}
		for _, r := range hush.GetAll(t.Context(), b, hush.Name("a"), hush.Name("b")) {
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(r.Err))
			assert.ErrorContains(t, r.Err, fmt.Sprintf("returned %d results for 2 references", n))
		}
	}
}

func TestGetAllDropsASecretBesideAnError(t *testing.T) {
	b := &batcher{answer: func([]hush.Ref) []hush.Result {
		return []hush.Result{{Secret: hush.Secret{Version: "v1"}, Err: hush.ErrDenied}}
	}}
	got := hush.GetAll(t.Context(), b, hush.Name("a"))[0]
	assert.True(t, got.Secret.Equal(hush.Secret{}))
	assert.Equal(t, hush.ErrDenied, got.Err)
}

func TestGetAllPropagatesPanics(t *testing.T) {
	b := &batcher{answer: func([]hush.Ref) []hush.Result { panic("mine") }}
	single := hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) { panic("mine") })
	for _, p := range []hush.Provider{b, single} {
		assert.PanicsWithValue(t, "mine", func() { hush.GetAll(t.Context(), p, hush.Name("a"), hush.Name("b")) })
	}
}

func TestGetAllEndsWithTheContext(t *testing.T) {
	var m providertest.Map
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range hush.GetAll(ctx, &m, hush.Name("a"), hush.Name("b")) {
		assert.Equal(t, hush.ErrCanceled, hush.ClassOf(r.Err))
		assert.ErrorIs(t, r.Err, context.Canceled)
	}
}

func TestErrors(t *testing.T) {
	results := func(errs ...error) (r []hush.Result) {
		for _, err := range errs {
			r = append(r, hush.Result{Err: err})
		}
		return r
	}
	assert.NoError(t, hush.Errors(nil))
	assert.NoError(t, hush.Errors(results(nil, nil)))
	one := hush.NewError("map", hush.Name("a"), hush.ErrDenied, nil)
	assert.Same(t, one, hush.Errors(results(nil, one)))

	for _, c := range []struct {
		errs []error
		want hush.Class
	}{
		{[]error{hush.ErrNotFound, hush.ErrNotFound}, hush.ErrNotFound},
		{[]error{hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated}, hush.ErrDenied},
		{[]error{hush.ErrNotFound, hush.ErrDenied, hush.ErrThrottled, hush.ErrUnavailable}, hush.ErrThrottled},
		{[]error{hush.ErrNotFound, hush.ErrAbsent}, hush.ErrAbsent},
		{[]error{hush.NewError("map", hush.Name("a"), hush.ErrNotFound, nil), hush.ErrRefused}, hush.ErrRefused},
		{[]error{hush.ErrInvalidRef, errors.New("of no class")}, hush.ErrUnavailable},
		{[]error{hush.ErrNotFound, hush.ErrUnsupported}, hush.ErrUnsupported},
	} {
		err := hush.Errors(results(c.errs...))
		assert.Equal(t, c.want, hush.ClassOf(err), "%v", c.errs)
		for _, each := range c.errs {
			assert.ErrorIs(t, err, each)
			assert.ErrorContains(t, err, each.Error())
		}
	}
}
