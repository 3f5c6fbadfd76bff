package cachettl_test

import (
	"context"
	"fmt"
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

func TestForgetWhileAStaleAnswerIsWaitedFor(t *testing.T) {
	for _, ref := range []hush.Ref{db, db.Fresh()} {
		bubble(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
			stale(t, c)
			time.Sleep(ttl)
			m.Put("db", []byte("two"))
			m.Script(step{Delay: time.Second})
			var wg sync.WaitGroup
			wg.Go(func() { reveal(t, c, ref) })
			synctest.Wait()
			wg.Go(func() { assert.Equal(t, "two", reveal(t, c, db)) })
			synctest.Wait()
			c.Forget(db)
			wg.Wait()
		})
	}
}

func TestAForgottenFetchIsNotKept(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Script(step{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { reveal(t, c, db) })
		synctest.Wait()
		c.Forget(db)
		wg.Wait()
		reveal(t, c, db)
		assert.Equal(t, []bool{false, true}, fresh(m))
	})
}

func TestAfterForgettingAnOutageDoesNotBringTheOldValueBack(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for _, failed := range []step{{Err: hush.ErrUnavailable}, {Err: hush.ErrThrottled}, fallback("spare")} {
			reveal(t, c, db)
			c.Forget(db)
			m.Script(failed)
			_, _ = c.Get(t.Context(), db)
			time.Sleep(time.Second)
			before := len(m.Calls())
			reveal(t, c, db)
			assert.Equal(t, []bool{true}, fresh(m)[before:], "it is still to be asked for afresh")
			time.Sleep(ttl)
			reveal(t, c, db)
			assert.Equal(t, []bool{true, false}, fresh(m)[before:])
		}
	})
}

func TestForgettingWhatIsNotHeldPushesNothingOut(t *testing.T) {
	bubble(t, &cachettl.Options{MaxEntries: 10}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		for i := range 10 {
			name := fmt.Sprint("s", i)
			m.Put(name, []byte(name))
			reveal(t, c, hush.Name(name))
		}
		for i := range 50 {
			c.Forget(hush.Name(fmt.Sprint("nobody", i)))
		}
		assert.Equal(t, 10, c.Stats().Entries)
		assert.Zero(t, c.Stats().Evictions)
		assert.Equal(t, 20, c.Size(), "and is bounded, too")
		before := len(m.Calls())
		_, err := c.Get(t.Context(), hush.Name("nobody49"))
		require.ErrorIs(t, err, hush.ErrNotFound)
		assert.Equal(t, []bool{true}, fresh(m)[before:])
	})
}

func TestAHandleKnowsNothingAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{})
		c := cachettl.New(hush.ProviderFunc(func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
			close(asked)
			<-ctx.Done()
			return hush.Secret{Value: hush.NewValue([]byte("late"))}, nil // deaf to why it ended
		}), ttl, nil)
		handle := c.Handle(db)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = handle.Get(t.Context()) })
		<-asked
		require.NoError(t, c.Close())
		wg.Wait()
		_, err := handle.Get(t.Context())
		assert.ErrorContains(t, err, "cache closed")
	})
}

func TestAStoreThatDoesNotKnowUsIsNotFlooded(t *testing.T) {
	bubble(t, &cachettl.Options{RefreshAhead: 30 * time.Second}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		reveal(t, c, db)
		time.Sleep(ttl / 2)
		defer m.Always(step{Err: hush.ErrUnauthenticated})()
		for range 1000 {
			reveal(t, c, db)
			time.Sleep(10 * time.Millisecond)
		}
		assert.Less(t, len(m.Calls()), 20)
	})
}
