package cachettl_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

func TestAHandleFollowsTheCache(t *testing.T) {
	withCache(t, &cachettl.Options{MaxEntries: 1}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		handle := c.Handle(db)
		read := func() string {
			t.Helper()
			secret, err := handle.Get(t.Context())
			require.NoError(t, err)
			return secret.Value.Reveal()
		}
		assert.Equal(t, "one", read())
		assert.Equal(t, "one", read())
		assert.Len(t, m.Calls(), 1)

		m.Put("db", []byte("two"))
		time.Sleep(ttl)
		assert.Equal(t, "two", read(), "the TTL is over")
		m.Put("db", []byte("three"))
		c.Forget(db)
		assert.Equal(t, "three", read(), "forgotten")

		m.Put("other", []byte("x"))
		getText(t, c, hush.Name("other"))
		m.Put("db", []byte("four"))
		assert.Equal(t, "four", read(), "evicted")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := handle.Get(ctx)
		assert.ErrorIs(t, err, context.Canceled)
		before := len(m.Calls())
		fresh := c.Handle(db.Fresh())
		for range 2 {
			_, err = fresh.Get(t.Context())
			require.NoError(t, err)
		}
		assert.Len(t, m.Calls(), before+2)
		require.NoError(t, c.Close())
		_, err = handle.Get(t.Context())
		assert.ErrorContains(t, err, "cache closed")
	})
}

func TestAHandlesHitAllocatesNothing(t *testing.T) {
	c := cachettl.New(hush.Static(map[string]string{"db": `{"password":"p"}`}), time.Hour, nil)
	handle := c.Handle(hush.Ref{Name: "db", Field: "password"})
	ctx := t.Context()
	_, err := handle.Get(ctx)
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := handle.Get(ctx); err != nil {
			t.Error(err)
		}
	}))
}
