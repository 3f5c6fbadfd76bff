package chain_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// A last-resort call waits within the caller's context and the link's Timeout.
func TestWaitForSlotEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		o := longWait()
		c := chain.New([]chain.Link{{Name: "direct", Provider: &s, Timeout: 500 * time.Millisecond}, returns("env", hush.ErrNotFound)}, o)
		s.open(t, c)
		s.hangs.Store(true)
		wait := func(ctx context.Context) (time.Duration, error) {
			var full sync.WaitGroup
			for range 4 {
				full.Go(func() { _, _ = c.Get(t.Context(), hush.Name("db")) })
			}
			synctest.Wait()
			start := time.Now()
			_, err := c.Get(ctx, hush.Name("db"))
			took := time.Since(start)
			full.Wait()
			return took, err
		}

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		took, err := wait(ctx)
		assert.Equal(t, 100*time.Millisecond, took)
		assert.EqualError(t, err, `chain: "db": canceled: direct: canceled: `+
			`not called: breaker is open, no slot for a last-resort call: context deadline exceeded; env: not found`)
		assert.ErrorIs(t, err, context.DeadlineExceeded)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err = wait(ctx)
		assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
		assert.ErrorIs(t, err, context.Canceled)
	})
}

// Skipped links share the caller's time. If a link has no free slot within its share, the
// lookup continues with the next link.
func TestWaitForSlotLeavesTimeForNextLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s, next store
		c := chain.New([]chain.Link{{Name: "direct", Provider: &s}, {Name: "next", Provider: &next}}, longWait())
		next.down.Store(true)
		s.open(t, c)
		next.down.Store(false)
		s.hangs.Store(true)
		hanging, cancel := context.WithCancel(t.Context())
		var gets sync.WaitGroup
		for range 4 {
			gets.Go(func() { _, _ = c.Get(hanging, hush.Name("db")) })
		}
		synctest.Wait()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		start := time.Now()
		got, err := c.Get(ctx, hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, 510*time.Millisecond, time.Since(start))
		assert.Equal(t, "next", got.Source)
		assert.True(t, got.FromFallback)
		calls, _ := s.take()
		assert.Equal(t, 4, calls)
		cancel()
		gets.Wait()
	})
}

// The newest call gets the next slot, because a call that has waited for most of its time
// could not find out whether the store is back.
func TestNewestCallGetsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, broken := make(chan string, 10), true
		c := chain.New(alone(linkFunc("a", func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			if !broken {
				names <- ref.Name
				<-ctx.Done()
			}
			return hush.Secret{}, down
		})), longWait())
		for range 5 {
			_, _ = c.Get(t.Context(), hush.Name("db"))
		}
		broken = false
		var gets sync.WaitGroup
		start := func(name string) (cancel context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			gets.Go(func() { _, _ = c.Get(ctx, hush.Name(name)) })
			synctest.Wait()
			return cancel
		}
		var cancels []context.CancelFunc
		for _, name := range []string{"1", "2", "3", "4", "old", "new"} {
			cancels = append(cancels, start(name))
		}
		cancels[2]()
		synctest.Wait()
		cancels[3]()
		synctest.Wait()
		for _, want := range []string{"1", "2", "3", "4", "new", "old"} {
			assert.Equal(t, want, <-names)
		}
		for _, cancel := range cancels {
			cancel()
		}
		gets.Wait()
	})
}
