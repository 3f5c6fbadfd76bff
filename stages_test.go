package hush_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
)

// TestStagesTakeAtMostMaxWait: a store that dawdles over a stage does not
// make Use outlive it.
func TestStagesTakeAtMostMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			if ref.Stage == "" {
				return hush.Secret{Value: hush.NewValue([]byte("p")), Version: "v"}, nil
			}
			<-ctx.Done()
			return hush.Secret{}, hush.NewError("p", ref, hush.ErrCanceled, ctx.Err())
		})
		start := time.Now()
		err := hush.RetryPolicy{Stages: []string{"A", "B"}}.Use(t.Context(), p, hush.Name(dbName), func(hush.Secret) error { return hush.ErrRejected })
		assert.ErrorIs(t, err, hush.ErrRejected)
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}
