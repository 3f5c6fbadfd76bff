package hush_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

// TestStages checks that Use tries the pending version before it waits.
func TestStages(t *testing.T) {
	for name, stack := range stacks {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			p := stack(t, w)
			require.NoError(t, w.query(t.Context(), t, hush.RetryPolicy{}, p))
			go w.rotate(time.Minute) // longer than any patience
			synctest.Wait()
			start := time.Now()
			err := w.query(t.Context(), t, hush.RetryPolicy{Stages: []string{"NOSUCH", "AWSPENDING"}}, p)
			assert.NoError(t, err, name)
			assert.Less(t, time.Since(start), 100*time.Millisecond, name)
			time.Sleep(time.Minute)

			// A version that the database does not accept yet is tried once more when it
			// is current.
			var seen []string
			go w.rotate(time.Second)
			synctest.Wait()
			err = hush.RetryPolicy{Stages: []string{"AWSPENDING"}}.Use(t.Context(), p, hush.Name(dbName), func(s hush.Secret) error {
				seen = append(seen, s.Version)
				return hush.ErrRejected
			})
			assert.Equal(t, hush.ErrRejected, hush.ClassOf(err), name)
			assert.Equal(t, []string{"v2", "v3", "v3"}, seen, name)
		})
	}
}

// TestUseReadsStagesFresh: a cached stage may be from the previous rotation, and the
// secret of a fallback store does not count.
func TestUseReadsStagesFresh(t *testing.T) {
	r := hush.RetryPolicy{MaxWait: -1, Stages: []string{"AWSPENDING"}}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		p := cached(t, w)
		w.pending.Store(&hush.Secret{Value: hush.NewValue([]byte("older")), Version: "v0"})
		_, err := p.Get(t.Context(), hush.Ref{Name: dbName, Stage: "AWSPENDING"})
		require.NoError(t, err)
		go w.rotate(time.Minute)
		synctest.Wait()
		assert.NoError(t, w.query(t.Context(), t, r, p))
		time.Sleep(time.Minute)
	})
	for _, pending := range []hush.Secret{{Version: "v2", Stale: true}, {Version: "v2", FromFallback: true}} {
		runs := 0
		w := newWorld()
		w.pending.Store(&pending)
		err := r.Use(t.Context(), w, hush.Name(dbName), func(hush.Secret) error {
			runs++
			return hush.ErrRejected
		})
		assert.ErrorIs(t, err, hush.ErrRejected)
		assert.Equal(t, 1, runs)
	}
}
