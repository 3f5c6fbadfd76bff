package awsdirect_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/direct/directtest"
)

func TestBatch(t *testing.T) {
	laptop(t)
	credentials(t)
	server := start(t)
	var refs []hush.Ref
	for i := range 5 {
		name := fmt.Sprint("db/", i)
		server.Put(name, []byte(name))
		refs = append(refs, hush.Name(name))
	}
	for batch, calls := range map[bool]int{true: 1, false: len(refs)} {
		before := server.Calls(directtest.Call{})
		p := awsdirect.New(&awsdirect.Options{Region: server.Region(), Endpoint: server.URL(), Batch: batch})
		for i, r := range hush.GetAll(t.Context(), p, refs...) {
			require.NoError(t, r.Err)
			assert.Equal(t, refs[i].Name, r.Secret.Value.Reveal())
		}
		assert.Equal(t, before+calls, server.Calls(directtest.Call{}))
	}
}

func TestBatchWithoutConfiguration(t *testing.T) {
	laptop(t)
	results := awsdirect.New(nil).GetBatch(t.Context(), []hush.Ref{hush.Name("db"), {}})
	require.Len(t, results, 2)
	assert.Equal(t, hush.ErrAbsent, hush.ClassOf(results[0].Err))
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(results[1].Err))
}
