package cachettl_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// The limit for a batch that hangs is FetchTimeout.
func TestGetBatchEndsAtFetchTimeout(t *testing.T) {
	withBatcher(t, nil, func(t *testing.T, b *batcher, c *cachettl.Cache) {
		defer b.Always(providertest.Step{Delay: time.Hour})()
		begun := time.Now()
		for _, r := range c.GetBatch(t.Context(), userRefs("one two")) {
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(r.Err))
			assert.NotErrorIs(t, r.Err, context.DeadlineExceeded)
		}
		assert.LessOrEqual(t, time.Since(begun), 6*time.Second)
	})
}

func TestGetBatchReturnsErrorsAfterAPanic(t *testing.T) {
	for text, hook := range map[string]func(){
		"the provider panicked with a string": func() { panic("canary-12") },
		"the provider ended its goroutine":    runtime.Goexit,
	} {
		t.Run(text, func(t *testing.T) {
			withBatcher(t, nil, func(t *testing.T, b *batcher, c *cachettl.Cache) {
				b.hook = hook
				for _, r := range c.GetBatch(t.Context(), userRefs("one two three")) {
					assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(r.Err))
					assert.ErrorContains(t, r.Err, text)
					assert.Empty(t, providertest.Leaks(r.Err, "canary-12"))
				}
				b.hook = nil
				requireSecrets(t, c.GetBatch(t.Context(), userRefs("one two")), "one two")
			})
		})
	}
}
