package cachettl_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// A batcher is a Map with GetBatch. Each batch takes a second, and batches has its
// names.
type batcher struct {
	providertest.Map
	mu      sync.Mutex
	batches []string
	hook    func() // called for each batch
}

func (b *batcher) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	if b.hook != nil {
		b.hook()
	}
	var names []string
	results := make([]hush.Result, len(refs))
	for i, ref := range refs {
		names = append(names, strings.Join(freshness(ref), "")+ref.String())
		results[i].Secret, results[i].Err = b.Get(ctx, ref)
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	slices.Sort(names)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches = append(b.batches, strings.Join(names, " "))
	return results
}

func freshness(ref hush.Ref) []string {
	if _, fresh := ref.Freshness(); fresh {
		return []string{"fresh:"}
	}
	return nil
}

// withBatcher runs test in a synctest bubble, with a cache in front of a batcher that
// has "one" to "five".
func withBatcher(t *testing.T, opts *cachettl.Options, test func(t *testing.T, b *batcher, c *cachettl.Cache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &batcher{}
		for name := range strings.FieldsSeq("one two three four five") {
			b.Put(name, []byte(`{"user":"`+name+`"}`))
		}
		c := cachettl.New(b, time.Minute, opts)
		defer func() { assert.NoError(t, c.Close()) }()
		test(t, b, c)
	})
}

func userRefs(names string) (refs []hush.Ref) {
	for name := range strings.FieldsSeq(names) {
		refs = append(refs, hush.Ref{Name: name, Field: "user"})
	}
	return refs
}

func requireSecrets(t *testing.T, results []hush.Result, names string) {
	t.Helper()
	want := strings.Fields(names)
	require.Len(t, results, len(want))
	for i, name := range want {
		require.NoError(t, results[i].Err)
		assert.Equal(t, name, results[i].Secret.Value.Reveal())
	}
}

func TestGetBatchRequestsOnlyMissingSecrets(t *testing.T) {
	withBatcher(t, nil, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		_, err := c.Get(t.Context(), hush.Name("two"))
		require.NoError(t, err)
		requireSecrets(t, c.GetBatch(t.Context(), userRefs("one two three one")), "one two three one")
		assert.Equal(t, []string{"one three"}, b.batches)
		requireSecrets(t, hush.GetAll(t.Context(), c, userRefs("one two three")...), "one two three")
		assert.Len(t, b.Calls(), 3, "all three are cached")

		time.Sleep(time.Minute)
		requireSecrets(t, c.GetBatch(t.Context(), userRefs("one four")), "one four")
		assert.Equal(t, []string{"one three", "four one"}, b.batches)

		c.Forget(hush.Name("one"))
		requireSecrets(t, c.GetBatch(t.Context(), userRefs("one five")), "one five")
		assert.Equal(t, "five fresh:one", b.batches[2], "the first fetch after Forget is fresh")
		assert.EqualValues(t, 8, c.Stats().Misses)
	})
}

// Cached secrets do not take the place of missing secrets in a call of the store.
func TestGetBatchFillsCallsWithMisses(t *testing.T) {
	withBatcher(t, nil, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		var refs []hush.Ref
		for i := range 40 {
			refs = append(refs, hush.Name("one"), hush.Name(fmt.Sprint("none/", i)))
		}
		_, err := c.Get(t.Context(), hush.Name("one"))
		require.NoError(t, err)
		for i, r := range c.GetBatch(t.Context(), refs) {
			if i%2 == 0 {
				assert.NoError(t, r.Err)
				assert.Equal(t, `{"user":"one"}`, r.Secret.Value.Reveal())
			} else {
				assert.Equal(t, hush.ErrNotFound, hush.ClassOf(r.Err))
			}
		}
		assert.Len(t, b.batches, 2, "40 misses, 20 in a call")

		done, cancel := context.WithCancel(t.Context())
		cancel()
		for _, r := range c.GetBatch(done, refs[:1]) {
			assert.ErrorIs(t, r.Err, context.Canceled, "a cached secret")
		}
	})
}

// Each key has one fetch, whether a Get or a batch starts it, and however the batch
// ends.
func TestGetBatchMakesOneFetchPerKey(t *testing.T) {
	withBatcher(t, nil, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		b.Always(providertest.Step{Delay: 100 * time.Millisecond})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { requireSecrets(t, c.GetBatch(t.Context(), userRefs("one two three")), "one two three") })
			all.Go(func() { requireSecrets(t, c.GetBatch(t.Context(), userRefs("three four")), "three four") })
			all.Go(func() {
				_, err := c.Get(t.Context(), hush.Name("two"))
				assert.NoError(t, err)
			})
		}
		all.Wait()
		assert.Len(t, b.Calls(), 4)
	})
	// A result that is not cached is not requested twice in one batch, for more refs
	// than the cache reads at a time.
	withBatcher(t, nil, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		var refs []hush.Ref
		for i := range 45 {
			refs = append(refs, hush.Name(fmt.Sprint("none/", i)))
		}
		for _, r := range c.GetBatch(t.Context(), refs) {
			assert.Equal(t, hush.ErrNotFound, hush.ClassOf(r.Err))
		}
		assert.Len(t, b.Calls(), 45)
		assert.Len(t, b.batches, 3)
	})
}

func TestGetBatchReturnsWhatGetReturns(t *testing.T) {
	withBatcher(t, nil, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		b.Deny("two")
		results := c.GetBatch(t.Context(), []hush.Ref{
			{Name: "one", Field: "user"},
			hush.Name("two"), hush.Name("none"),
			{},
			{Name: "one", Field: "nope"},
			hush.Name("one").Fresh(),
			{Name: "one", Version: "v9"},
			{Name: "one", Stage: hush.CurrentStage},
		})
		want := []hush.Class{0, hush.ErrDenied, hush.ErrNotFound, hush.ErrInvalidRef, hush.ErrNotFound, 0, hush.ErrNotFound, 0}
		for i, r := range results {
			assert.Equal(t, want[i], hush.ClassOf(r.Err), "%d: %v", i, r.Err)
			assert.Equal(t, want[i] == 0, r.Secret.Version == "v1")
		}
		assert.Contains(t, freshCalls(&b.Map), true, "a fresh ref is fetched fresh")

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		begun := time.Now()
		for _, r := range c.GetBatch(ctx, userRefs("three four")) {
			assert.Equal(t, hush.ErrCanceled, hush.ClassOf(r.Err))
			assert.ErrorIs(t, r.Err, context.DeadlineExceeded)
		}
		assert.Equal(t, 20*time.Millisecond, time.Since(begun), "GetBatch returns, and the fetches continue")
		requireSecrets(t, c.GetBatch(t.Context(), userRefs("three four")), "three four")
		calls := len(b.Calls())
		c.GetBatch(ctx, userRefs("five one"))
		synctest.Wait()
		assert.Len(t, b.Calls(), calls, "no fetch starts for a context that is done")

		require.NoError(t, c.Close())
		for _, r := range c.GetBatch(t.Context(), userRefs("one five")) {
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(r.Err))
		}
	})
}

// GetBatch returns stale secrets by the rules of Get.
func TestGetBatchReturnsStaleSecrets(t *testing.T) {
	withBatcher(t, &cachettl.Options{StaleIfError: time.Hour, Jitter: -1}, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		requireSecrets(t, c.GetBatch(t.Context(), userRefs("one two")), "one two")
		b.Always(providertest.Step{Err: hush.ErrUnavailable})
		time.Sleep(2 * time.Minute)
		results := c.GetBatch(t.Context(), userRefs("one two three"))
		for _, r := range results[:2] {
			assert.NoError(t, r.Err)
			assert.True(t, r.Secret.Stale)
		}
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(results[2].Err))

		time.Sleep(2 * time.Minute)
		defer b.Always(providertest.Step{Delay: time.Hour})()
		begun := time.Now()
		for _, r := range c.GetBatch(t.Context(), userRefs("one two")) {
			assert.True(t, r.Secret.Stale)
		}
		assert.Equal(t, 100*time.Millisecond, time.Since(begun), "StaleWait")
	})
}

// Each older version in a batch is confirmed by a fresh call.
func TestGetBatchConfirmsOlderVersions(t *testing.T) {
	withBatcher(t, &cachettl.Options{Jitter: -1}, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		requireSecrets(t, c.GetBatch(t.Context(), userRefs("one two")), "one two")
		old := hush.Secret{Value: hush.NewValue([]byte(`{"user":"old"}`)), Version: "v0", Created: time.Now().Add(-time.Hour), Source: "map"}
		time.Sleep(time.Minute)
		b.Script(providertest.Step{Secret: &old}, providertest.Step{Secret: &old})
		requireSecrets(t, c.GetBatch(t.Context(), userRefs("one two")), "one two")
		assert.Len(t, b.batches, 2)
		assert.Len(t, b.Calls(), 6, "one confirmation for each")
	})
}

// Two caches in a row each make a batch of the secrets that they miss.
func TestGetBatchThroughTwoCaches(t *testing.T) {
	withBatcher(t, nil, func(t *testing.T, b *batcher, inner *cachettl.Cache) {
		outer := cachettl.New(inner, time.Minute, nil)
		defer func() { assert.NoError(t, outer.Close()) }()
		_, err := inner.Get(t.Context(), hush.Name("two"))
		require.NoError(t, err)
		requireSecrets(t, outer.GetBatch(t.Context(), userRefs("one two three")), "one two three")
		assert.Equal(t, []string{"one three"}, b.batches)
	})
}

func TestGetBatchCallsGetIfNextHasNoGetBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put("one", []byte(`{"user":"one"}`))
		m.Always(providertest.Step{Delay: time.Second})
		c := cachettl.New(&m, time.Minute, nil)
		begun := time.Now()
		requireSecrets(t, c.GetBatch(t.Context(), slices.Repeat(userRefs("one"), 3)), strings.Repeat("one ", 3))
		assert.Len(t, m.Calls(), 1)
		var none []hush.Ref
		for i := range 20 {
			none = append(none, hush.Name(fmt.Sprint(i)))
		}
		c.GetBatch(t.Context(), none)
		assert.Equal(t, 4*time.Second, time.Since(begun), "eight at a time")
		assert.NoError(t, c.Close())
	})
}
