package direct_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
)

func TestBatchPages(t *testing.T) {
	server := start(t)
	refs := put(server, 5)
	page := 0
	client := &twisted{server.Client(once), func(in *secretsmanager.BatchGetSecretValueInput, out *secretsmanager.BatchGetSecretValueOutput) {
		assert.Equal(t, page > 0, in.NextToken != nil)
		out.SecretValues = out.SecretValues[page : page+1]
		if page++; page < 5 {
			out.NextToken = aws.String(fmt.Sprint("page ", page))
		}
	}}
	reads(t, hush.GetAll(t.Context(), direct.New(client, batches), refs...), 5)
	batch, single := calls(server)
	assert.Equal(t, []int{5, 0}, []int{batch, single})

	// An endless sequence of empty pages.
	endless := &twisted{server.Client(once), func(_ *secretsmanager.BatchGetSecretValueInput, out *secretsmanager.BatchGetSecretValueOutput) {
		*out = secretsmanager.BatchGetSecretValueOutput{NextToken: aws.String("more")}
	}}
	reads(t, hush.GetAll(t.Context(), direct.New(endless, batches), refs...), 5)
	batch, single = calls(server)
	assert.Equal(t, []int{10, 5}, []int{batch, single})
}

// TestEightParallelSingleCalls uses a client without BatchGetSecretValue.
func TestEightParallelSingleCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		count := func(d int) {
			mu.Lock()
			defer mu.Unlock()
			now += d
			most = max(most, now)
		}
		client := apiFunc(func(_ context.Context, in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
			count(1)
			time.Sleep(time.Second)
			count(-1)
			return &secretsmanager.GetSecretValueOutput{Name: in.SecretId, SecretString: in.SecretId}, nil
		})
		refs := make([]hush.Ref, 20)
		for i := range refs {
			refs[i] = hush.Name("db/" + strings.Repeat("x", i+1))
		}
		begun := time.Now()
		for i, r := range direct.New(client, &direct.Options{Batch: true}).GetBatch(t.Context(), refs) {
			assert.NoError(t, r.Err)
			assert.Equal(t, refs[i].Name, r.Secret.Value.Reveal())
		}
		assert.Equal(t, 3*time.Second, time.Since(begun), "each call has its own timeout of 3 s")
		assert.Equal(t, 8, most)
	})
}
