package chain_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// Each lookup of a batch has a goroutine, so GetBatch splits a batch of many refs.
func TestGetBatchOfManyRefs(t *testing.T) {
	before, most := runtime.NumGoroutine(), 0
	var sizes []int
	store := batchFunc(func(_ context.Context, refs []hush.Ref) []hush.Result {
		sizes, most = append(sizes, len(refs)), max(most, runtime.NumGoroutine())
		results := make([]hush.Result, len(refs))
		for i, ref := range refs {
			results[i].Secret.Version = ref.Name
		}
		return results
	})
	asked := make([]hush.Ref, 2500)
	for i := range asked {
		asked[i] = hush.Name(fmt.Sprint(i))
	}
	for i, r := range chain.New([]chain.Link{{Name: "a", Provider: store}}, nil).GetBatch(t.Context(), asked) {
		require.NoError(t, r.Err)
		assert.Equal(t, asked[i].Name, r.Secret.Version)
	}
	assert.Equal(t, []int{1000, 1000, 500}, sizes)
	assert.Less(t, most-before, 1100)
}

type batchFunc func(context.Context, []hush.Ref) []hush.Result

func (f batchFunc) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result { return f(ctx, refs) }

func (f batchFunc) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	r := f(ctx, []hush.Ref{ref})[0]
	return r.Secret, r.Err
}

// Lookups that wait for a slot do not delay a batch. When the store is back, the first four
// last-resort calls find that out, and all other refs go in one batch.
func TestGetBatchMakesLastResortCallsInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		var names []string
		for i := range 200 {
			names = append(names, fmt.Sprint("n", i))
		}
		up := has(strings.Join(names, " "), hush.ErrNotFound)
		store := &batcher{get: func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			if broken.Load() {
				return hush.Secret{}, hush.ErrUnavailable
			}
			return up.get(ctx, ref)
		}}
		c := chain.New([]chain.Link{{Name: "a", Provider: store, Timeout: time.Minute}, returns("env", hush.ErrNotFound)}, longWait())
		for range 5 {
			_, _ = c.Get(t.Context(), hush.Name("n1"))
		}
		for _, r := range c.GetBatch(t.Context(), refs(names...)) {
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(r.Err))
		}
		for _, batch := range store.batches {
			assert.LessOrEqual(t, len(strings.Fields(batch)), 4)
		}
		store.batches = nil
		broken.Store(false)
		for _, r := range c.GetBatch(t.Context(), refs(names...)) {
			assert.NoError(t, r.Err)
			assert.False(t, r.Secret.FromFallback)
		}
		assert.LessOrEqual(t, len(store.batches), 5)
	})
}
