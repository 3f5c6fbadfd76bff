package direct_test

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
)

// A stageRecorder records the stage of each request to a real client.
type stageRecorder struct {
	*secretsmanager.Client
	stages []string
}

func (r *stageRecorder) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	r.stages = append(r.stages, aws.ToString(in.VersionStage))
	return r.Client.GetSecretValue(ctx, in, opts...)
}

// pending is the response of a store that returns the newest version if a request
// names no stage.
var pending = directtest.Failure{
	Operation: "GetSecretValue", Status: 200, Times: 1,
	Body: []byte(`{"Name":"db/prod","SecretString":"` + canary + `","VersionId":"2","VersionStages":["AWSPENDING"]}`),
}

// TestResponseOfAnotherStage sees a second request that names the stage.
func TestResponseOfAnotherStage(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte("current"))
	for _, ref := range []hush.Ref{hush.Name("db/prod"), {Name: "db/prod", Stage: hush.CurrentStage}} {
		client := &stageRecorder{Client: server.Client(once)}
		server.Fail(pending)
		secret, err := direct.New(client, nil).Get(t.Context(), ref)
		require.NoError(t, err)
		assert.Equal(t, "current", secret.Value.Reveal())
		assert.Equal(t, []string{"", hush.CurrentStage}, client.stages)
	}
	client := &stageRecorder{Client: server.Client(once)}
	_, err := direct.New(client, nil).Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, []string{""}, client.stages, "a response with AWSCURRENT needs no second request")
}

// TestStoreWithoutCurrentStage sees an error if the second response is not the current
// version either.
func TestStoreWithoutCurrentStage(t *testing.T) {
	server := start(t)
	again := pending
	again.Times = 2
	server.Fail(again)
	_, err := direct.New(server.Client(once), nil).Get(t.Context(), hush.Name("db/prod"))
	requireClass(t, hush.ErrUnavailable, err)
	assert.Equal(t, 2, server.Calls(directtest.Call{}))

	server.Fail(pending)
	_, err = direct.New(server.Client(once), nil).Get(t.Context(), hush.Name("db/prod"))
	requireClass(t, hush.ErrNotFound, err)
}

// TestBatchEntryOfAnotherStage sees GetBatch read the secret by a single call.
func TestBatchEntryOfAnotherStage(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte("current"))
	server.Put("other", []byte("other"))
	batch := slices.Concat([]byte(`{"SecretValues":[`), pending.Body,
		[]byte(`,{"Name":"other","SecretString":"other","VersionId":"1","VersionStages":["AWSCURRENT"]}],"Errors":[]}`))
	server.Fail(directtest.Failure{Operation: "BatchGetSecretValue", Status: 200, Times: 1, Body: batch})
	results := direct.New(server.Client(once), batches).GetBatch(t.Context(), []hush.Ref{hush.Name("db/prod"), hush.Name("other")})
	require.NoError(t, results[0].Err)
	require.NoError(t, results[1].Err)
	assert.Equal(t, "current", results[0].Secret.Value.Reveal())
	assert.Equal(t, 1, server.Calls(directtest.Call{Operation: "GetSecretValue"}))
}
