package chain_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/providertest"
)

// A batcher is a BatchProvider that records the names in each batch.
type batcher struct {
	get hush.ProviderFunc

	mu      sync.Mutex
	batches []string
}

func (b *batcher) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) { return b.get(ctx, ref) }

func (b *batcher) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	var names []string
	results := make([]hush.Result, len(refs))
	for i, ref := range refs {
		names = append(names, ref.Name)
		results[i].Secret, results[i].Err = b.get(ctx, ref)
	}
	slices.Sort(names)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches = append(b.batches, strings.Join(names, " "))
	return results
}

// has returns a secret for each of names, and class for other names.
func has(names string, class hush.Class) *batcher {
	return &batcher{get: func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		if slices.Contains(strings.Fields(names), ref.Name) {
			return hush.Secret{Value: hush.NewValue([]byte(`{"user":"` + ref.Name + `"}`)), Version: "v1"}, nil
		}
		return hush.Secret{}, hush.NewError("store", ref, class, nil)
	}}
}

func refs(names ...string) (refs []hush.Ref) {
	for _, name := range names {
		refs = append(refs, hush.Ref{Name: name, Field: "user"})
	}
	return refs
}

func TestBatchConformance(t *testing.T) {
	providertest.Run(t, func(*testing.T) providertest.Harness {
		h := harness([]chain.Link{front(returns("extension", hush.ErrRefused)), {Name: "batches", Provider: has("", hush.ErrNotFound)}})
		next := h.Provider.(hush.BatchProvider)
		h.Provider = hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			r := next.GetBatch(ctx, []hush.Ref{hush.Name("no/other"), ref, hush.Name("no/third")})[1]
			return r.Secret, r.Err
		})
		return h
	})
}

// Each link gets one batch of the refs that the links before it did not return.
func TestLaterLinksGetSmallerBatches(t *testing.T) {
	a, b, c := has("one two", hush.ErrUnavailable), has("three", hush.ErrNotFound), has("four", hush.ErrNotFound)
	o, logs, _ := watch(zap.DebugLevel)
	var mu sync.Mutex
	var reported []string
	o.OnCall = func(_ context.Context, call chain.Call) {
		mu.Lock()
		defer mu.Unlock()
		reported = append(reported, fmt.Sprintf("%s %s %s %d", call.Provider, call.Ref, call.Outcome(), call.Attempt))
	}
	p := chain.New([]chain.Link{{Name: "a", Provider: a}, {Name: "b", Provider: b.get}, {Name: "c", Provider: c}}, o)
	results := p.GetBatch(t.Context(), append(refs("one", "two", "three", "four", "five", ""), hush.Ref{Name: "one", Field: "nope"}))
	require.Len(t, results, 7)
	for i, source := range []string{"a", "a", "b", "c"} {
		require.NoError(t, results[i].Err)
		assert.Equal(t, []string{"one", "two", "three", "four"}[i], results[i].Secret.Value.Reveal())
		assert.Equal(t, source, results[i].Secret.Source)
		assert.Equal(t, i > 1, results[i].Secret.FromFallback, "the first link could not serve it")
	}
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(results[4].Err), "the first link decides")
	assert.ErrorContains(t, results[4].Err, `chain: "five#user": unavailable: a: unavailable; b: not found; c: not found`)
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(results[5].Err))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(results[6].Err))

	assert.Equal(t, []string{"five four one three two"}, a.batches, "one is one question, also for two fields")
	assert.Equal(t, []string{"five four"}, c.batches)
	assert.ElementsMatch(t, []string{
		"a one ok 1", "a one ok 1", "a two ok 1", "a three unavailable 1", "a four unavailable 1", "a five unavailable 1",
		"b three ok 2", "b four not found 2", "b five not found 2", "c four ok 3", "c five not found 3",
		"chain five#user unavailable 3",
	}, reported, "a call for each link and ref, and for the lookup that failed")
	assert.Equal(t, len(reported), logs.Len(), "each is a line")
}

// Whatever the links return, GetBatch returns the results of single Gets.
func TestGetBatchReturnsWhatGetReturns(t *testing.T) {
	classes := []hush.Class{
		0, 0, hush.ErrNotFound, hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrThrottled,
		hush.ErrUnavailable, hush.ErrRefused, hush.ErrAbsent, hush.ErrUnsupported, hush.ErrInvalidRef,
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 2))
		names := strings.Fields("p q r s t")
		var links []chain.Link
		for i := range 1 + random.IntN(4) {
			results := map[string]hush.Class{}
			for _, name := range names {
				results[name] = classes[random.IntN(len(classes))]
			}
			link := linkFunc(fmt.Sprint("link", i), func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
				if class := results[ref.Name]; class != 0 {
					return hush.Secret{}, hush.NewError("store", ref, class, nil)
				}
				return hush.Secret{Version: "v1"}, nil
			})
			link.Front = random.IntN(3) == 0
			if random.IntN(3) > 0 {
				link.Provider = &batcher{get: link.Provider.(hush.ProviderFunc)}
			}
			if random.IntN(3) == 0 {
				link.Policy = chain.OutagesOnly
			}
			links = append(links, link)
		}
		c := chain.New(links, &chain.Options{Breaker: chain.Breaker{Failures: -1}})
		var asked []hush.Ref
		for _, name := range names {
			asked = append(asked, hush.Name(name), hush.Name(name).Fresh())
		}
		for i, r := range c.GetBatch(t.Context(), asked) {
			secret, err := c.Get(t.Context(), asked[i])
			assert.True(t, secret.Equal(r.Secret), "seed %d", seed)
			assert.Equal(t, fmt.Sprint(err), fmt.Sprint(r.Err), "seed %d", seed)
		}
	}
}

func TestGetBatchWithoutBatchProviderMakesEightGets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		count := func(d int) {
			mu.Lock()
			defer mu.Unlock()
			now += d
			most = max(most, now)
		}
		link := linkFunc("slow", func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
			count(1)
			time.Sleep(time.Second)
			count(-1)
			if ctx.Err() != nil {
				return hush.Secret{}, ctx.Err()
			}
			return hush.Secret{Value: hush.NewValue([]byte(`{"user":"a"}`))}, nil
		})
		var asked []string
		for i := range 20 {
			asked = append(asked, fmt.Sprint("db/", i))
		}
		begun := time.Now()
		// The limit applies to each Get.
		for _, r := range chain.New([]chain.Link{limited(link, 1100*time.Millisecond)}, nil).GetBatch(t.Context(), refs(asked...)) {
			assert.NoError(t, r.Err)
		}
		assert.Equal(t, 3*time.Second, time.Since(begun))
		assert.Equal(t, 8, most)
	})
}

// A limit interrupts a batch as one call, and all its lookups continue together.
func TestBatchHasTimeoutOfLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := &batcher{get: hangs("a").Provider.Get}
		b := has("one two", hush.ErrNotFound)
		links := []chain.Link{limited(chain.Link{Name: "a", Provider: hanging}, time.Second), {Name: "b", Provider: b}}
		begun := time.Now()
		results := chain.New(links, nil).GetBatch(t.Context(), refs("one", "two", "three"))
		assert.Equal(t, time.Second, time.Since(begun))
		assert.NoError(t, results[0].Err)
		assert.True(t, results[1].Secret.FromFallback)
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(results[2].Err))
		assert.ErrorContains(t, results[2].Err, "a took longer than its limit of 1s")
		requireNotCallersError(t, results[2].Err)
		assert.Equal(t, []string{"one three two"}, b.batches)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, r := range chain.New(links[:1], nil).GetBatch(ctx, refs("one", "two")) {
			assert.ErrorIs(t, r.Err, context.DeadlineExceeded)
			assert.Equal(t, hush.ErrCanceled, hush.ClassOf(r.Err))
		}
	})
}

// A lookup that skips a link does not wait for lookups that call it, because its own limit
// runs.
func TestBatchDoesNotWaitForAnotherLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front1 := &batcher{get: func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
			if ref.Name == "throttled" {
				return hush.Secret{}, hush.ErrThrottled
			}
			return hush.Secret{}, hush.ErrRefused
		}}
		front2 := &batcher{get: func(context.Context, hush.Ref) (hush.Secret, error) {
			time.Sleep(time.Second)
			return hush.Secret{}, hush.ErrRefused
		}}
		store := has("throttled one two", hush.ErrNotFound)
		results := chain.New([]chain.Link{
			front(chain.Link{Name: "front1", Provider: front1}), front(chain.Link{Name: "front2", Provider: front2}),
			limited(chain.Link{Name: "store", Provider: store}, 500*time.Millisecond),
		}, nil).GetBatch(t.Context(), refs("one", "throttled", "two"))
		for _, r := range results {
			assert.NoError(t, r.Err)
		}
		assert.Equal(t, []string{"throttled", "one two"}, store.batches)
	})
}

// An open breaker skips the link for a whole batch.
func TestEachRefOfFailedBatchCountsForBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, up := has("", hush.ErrUnavailable), has("one two three four five", hush.ErrNotFound)
		c := chain.New([]chain.Link{{Name: "down", Provider: down}, {Name: "up", Provider: up}}, nil)
		for range 2 {
			for _, r := range c.GetBatch(t.Context(), refs("one", "two", "three", "four", "five")) {
				assert.NoError(t, r.Err)
				assert.True(t, r.Secret.FromFallback)
			}
		}
		assert.Len(t, down.batches, 1)
		assert.Len(t, up.batches, 2)
		time.Sleep(time.Minute)
		c.GetBatch(t.Context(), refs("one", "two", "three"))
		require.Len(t, down.batches, 2)
		assert.NotContains(t, down.batches[1], " ", "one of them is the probe")
	})
}

func TestGetBatchPropagatesPanic(t *testing.T) {
	b := &batcher{get: func(context.Context, hush.Ref) (hush.Secret, error) { panic("mine") }}
	c := chain.New([]chain.Link{returns("a", hush.ErrNotFound), {Name: "b", Provider: b}}, nil)
	assert.PanicsWithValue(t, "mine", func() { c.GetBatch(t.Context(), refs("one", "two", "three")) })

	b.get = func(context.Context, hush.Ref) (hush.Secret, error) {
		runtime.Goexit()
		return hush.Secret{}, nil
	}
	for _, r := range c.GetBatch(t.Context(), refs("one", "two")) {
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(r.Err))
		assert.ErrorContains(t, r.Err, "the provider called runtime.Goexit")
	}
	assert.Empty(t, c.GetBatch(t.Context(), nil))
}
