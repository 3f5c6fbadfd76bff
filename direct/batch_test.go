package direct_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/providertest"
)

var batches = &direct.Options{Batch: true, Timeout: time.Minute}

// batched returns a Provider whose Get calls GetBatch.
func batched(p hush.BatchProvider) hush.ProviderFunc {
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		r := p.GetBatch(ctx, []hush.Ref{hush.Name("no/other"), ref, hush.Name("no/third")})[1]
		return r.Secret, r.Err
	}
}

func TestBatchConformance(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		server := start(t)
		return providertest.Harness{
			Provider: batched(direct.New(server.Client(once), &direct.Options{Batch: true})),
			Put:      func(name string, value []byte) { server.Put(name, value) },
			Rotate:   func(name string, value []byte) { server.Rotate(name, value)() },
			Deny:     func(name string) { server.Deny(name) },
			Break:    server.Break,
			Hang:     server.Hang,
			Hidden:   []string{directtest.SecretAccessKey},
		}
	})
}

// calls counts the calls of a server by operation.
func calls(server *directtest.Server) (batch, single int) {
	return server.Calls(directtest.Call{Operation: "BatchGetSecretValue"}), server.Calls(directtest.Call{Operation: "GetSecretValue"})
}

func put(server *directtest.Server, n int) (refs []hush.Ref) {
	for i := range n {
		name := fmt.Sprint("db/", i)
		server.Put(name, fmt.Appendf(nil, `{"user":"app%d"}`, i))
		refs = append(refs, hush.Ref{Name: name, Field: "user"})
	}
	return refs
}

func reads(t *testing.T, results []hush.Result, n int) {
	t.Helper()
	require.Len(t, results, n)
	for i, r := range results {
		if assert.NoError(t, r.Err) {
			assert.Equal(t, fmt.Sprint("app", i), r.Secret.Value.Reveal())
			assert.Equal(t, "direct", r.Secret.Source)
		}
	}
}

func TestBatchSize(t *testing.T) {
	server := start(t)
	refs := put(server, 45)
	for _, c := range []struct{ n, batch, single int }{{0, 0, 0}, {1, 0, 1}, {2, 1, 0}, {20, 1, 0}, {21, 1, 1}, {45, 3, 0}} {
		batch, single := calls(server)
		reads(t, hush.GetAll(t.Context(), direct.New(server.Client(once), batches), refs[:c.n]...), c.n)
		nowBatch, nowSingle := calls(server)
		assert.Equal(t, []int{c.batch, c.single}, []int{nowBatch - batch, nowSingle - single}, "%d secrets", c.n)
	}
	batch, _ := calls(server)
	reads(t, hush.GetAll(t.Context(), direct.New(server.Client(once), nil), refs...), 45)
	without, _ := calls(server)
	assert.Equal(t, batch, without, "only if asked for")
}

func TestBatchOfMixedRefs(t *testing.T) {
	server := start(t)
	put(server, 2)
	old := server.Put("rotated", []byte("old"))
	server.Rotate("rotated", []byte("new"))()
	there := "arn:aws:secretsmanager:us-east-2:" + directtest.Account + ":secret:db/0"
	server.Put(there, []byte("there"))
	server.Put("binary", []byte{0xff, 0})
	server.Put("secret/denied", []byte(canary))
	server.Deny("secret/denied")
	refs := []hush.Ref{
		hush.Name("db/0"),
		{Name: "db/0", Field: "user"},
		{Name: "db/1", Stage: hush.CurrentStage, Field: "user"},
		hush.Name(server.ARN("db/0")), hush.Name(partial(server.ARN("db/1"))), hush.Name(there), hush.Name(server.ARN(there)),
		{Name: "rotated", Version: old},
		{Name: "rotated", Stage: "AWSPREVIOUS"},
		hush.Name("rotated").Fresh(), hush.Name("binary"),
		hush.Name("none"), hush.Name("secret/denied"),
		{},
		hush.Name("no such name"),
		{Name: "db/0", Field: "nope"},
		hush.Name("arn:aws:s3:::x"),
	}
	want := []any{
		`{"user":"app0"}`, "app0", "app1", `{"user":"app0"}`, `{"user":"app1"}`, "there", "there", "old", "old", "new", "\xff\x00",
		hush.ErrNotFound, hush.ErrDenied, hush.ErrInvalidRef, hush.ErrNotFound, hush.ErrNotFound, hush.ErrNotFound,
	}
	results := direct.New(server.Client(once), batches).GetBatch(t.Context(), refs)
	require.Len(t, results, len(refs))
	for i, r := range results {
		if class, fails := want[i].(hush.Class); fails {
			requireClass(t, class, r.Err)
			continue
		}
		require.NoError(t, r.Err, "%s", refs[i])
		assert.Equal(t, want[i], r.Secret.Value.Reveal(), "%s", refs[i])
	}
	batch, single := calls(server)
	assert.Equal(t, 3, batch, "names, and the ARNs of two regions")
	assert.Equal(t, 2, single, "a version and a stage")
	assert.Equal(t, 1, server.Calls(directtest.Call{Region: "us-east-2"}))
}

func TestFailedBatchIsReadBySingleCalls(t *testing.T) {
	server := start(t)
	refs := put(server, 3)
	for name, failure := range map[string]directtest.Failure{
		"denied":       {Code: "AccessDeniedException"},
		"throttled":    {Code: "ThrottlingException"},
		"empty 429":    {Status: 429, Body: []byte{}},
		"requireClass": {Code: "InvalidParameterException"},
		"unknown":      {Code: "UnknownOperationException"},
		"failed":       {Code: "InternalServiceError", Status: 500},
		"signature":    {Code: "InvalidSignatureException"},
		"dropped":      {Drop: true},
		"garbage":      {Status: 200, Body: []byte(canary)},
		"no secrets":   {Status: 200, Body: []byte(`{}`)},
	} {
		failure.Operation, failure.Message = "BatchGetSecretValue", canary
		restore := server.Fail(failure)
		batch, single := calls(server)
		reads(t, hush.GetAll(t.Context(), direct.New(server.Client(), batches), refs...), 3)
		nowBatch, nowSingle := calls(server)
		assert.LessOrEqual(t, nowBatch-batch, 2, "%s: a batch is not tried again", name)
		assert.Equal(t, 3, nowSingle-single, name)
		restore()
	}
}

// TestBatchTimeout sees a batch end as a Get does.
func TestBatchTimeout(t *testing.T) {
	server := start(t)
	refs := put(server, 3)
	defer server.Hang()()
	p := direct.New(server.Client(once), &direct.Options{Batch: true, Timeout: 200 * time.Millisecond})
	for _, r := range hush.GetAll(t.Context(), p, refs...) {
		requireClass(t, hush.ErrUnavailable, r.Err)
		assert.NotErrorIs(t, r.Err, context.DeadlineExceeded)
		assert.ErrorContains(t, r.Err, "longer than its limit of 200ms")
	}
	_, single := calls(server)
	assert.Zero(t, single)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for range 2 { // the second context has ended before the call
		for _, r := range hush.GetAll(ctx, direct.New(server.Client(once), batches), refs...) {
			requireClass(t, hush.ErrCanceled, r.Err)
			assert.ErrorIs(t, r.Err, context.DeadlineExceeded)
		}
	}
}

// A twisted client changes the responses to batches.
type twisted struct {
	*secretsmanager.Client
	twist func(in *secretsmanager.BatchGetSecretValueInput, out *secretsmanager.BatchGetSecretValueOutput)
}

func (c *twisted) BatchGetSecretValue(ctx context.Context, in *secretsmanager.BatchGetSecretValueInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error) {
	out, err := c.Client.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: in.SecretIdList}, opts...)
	if err == nil {
		c.twist(in, out)
	}
	return out, err
}

func TestAmbiguousBatchIsReadBySingleCalls(t *testing.T) {
	fault := func(id, code string) types.APIErrorType {
		return types.APIErrorType{SecretId: aws.String(id), ErrorCode: aws.String(code), Message: aws.String(canary)}
	}
	for name, c := range map[string]struct {
		single int
		twist  func(out *secretsmanager.BatchGetSecretValueOutput)
	}{
		"another order": {0, func(out *secretsmanager.BatchGetSecretValueOutput) { slices.Reverse(out.SecretValues) }},
		"one missing":   {1, func(out *secretsmanager.BatchGetSecretValueOutput) { out.SecretValues = out.SecretValues[1:] }},
		"all missing":   {3, func(out *secretsmanager.BatchGetSecretValueOutput) { out.SecretValues = nil }},
		"one twice": {0, func(out *secretsmanager.BatchGetSecretValueOutput) {
			out.SecretValues = append(out.SecretValues, out.SecretValues[2])
		}},
		"two of one name": {1, func(out *secretsmanager.BatchGetSecretValueOutput) {
			other := out.SecretValues[2]
			other.ARN = aws.String("arn:aws:secretsmanager:eu-west-1:222222222222:secret:db/2-aBcDeF")
			out.SecretValues = append(out.SecretValues, other)
		}},
		"two versions of one": {1, func(out *secretsmanager.BatchGetSecretValueOutput) {
			other := out.SecretValues[2]
			other.VersionId = aws.String("00000000-0000-4000-8000-000000000000")
			out.SecretValues = append(out.SecretValues, other)
		}},
		"one of another name": {1, func(out *secretsmanager.BatchGetSecretValueOutput) {
			out.SecretValues[0].Name = aws.String("db/00")
		}},
		"one without a name": {1, func(out *secretsmanager.BatchGetSecretValueOutput) {
			out.SecretValues[0].Name, out.SecretValues[0].ARN = nil, nil
		}},
		"a name in the ARN alone": {0, func(out *secretsmanager.BatchGetSecretValueOutput) { out.SecretValues[0].Name = nil }},
		"an error beside a value": {1, func(out *secretsmanager.BatchGetSecretValueOutput) {
			out.Errors = append(out.Errors, fault("db/0", "InternalServiceError"))
		}},
		"temporary errors": {3, func(out *secretsmanager.BatchGetSecretValueOutput) {
			out.SecretValues = nil
			out.Errors = []types.APIErrorType{fault("db/0", "ThrottlingException"), fault("db/1", "SomethingNew"), fault("db/2", "")}
		}},
		"an error for another id": {0, func(out *secretsmanager.BatchGetSecretValueOutput) {
			out.Errors = append(out.Errors, fault("db/7", "AccessDeniedException"), types.APIErrorType{})
		}},
	} {
		server := start(t)
		refs := put(server, 3)
		client := &twisted{server.Client(once), func(_ *secretsmanager.BatchGetSecretValueInput, out *secretsmanager.BatchGetSecretValueOutput) {
			c.twist(out)
		}}
		reads(t, hush.GetAll(t.Context(), direct.New(client, batches), refs...), 3)
		_, single := calls(server)
		assert.Equal(t, c.single, single, name)
	}
}

// TestBatchDeniedAtTimeout sees a denied batch read by single calls, although the response
// arrives after the timeout.
func TestBatchDeniedAtTimeout(t *testing.T) {
	server := start(t)
	refs := put(server, 2)
	p := direct.New(lateBatch{server.Client(once)}, &direct.Options{Batch: true, Timeout: 2 * time.Second})
	reads(t, hush.GetAll(t.Context(), p, refs...), 2)
}

type lateBatch struct{ *secretsmanager.Client }

func (lateBatch) BatchGetSecretValue(ctx context.Context, _ *secretsmanager.BatchGetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error) {
	<-ctx.Done()
	return nil, &directAPIError{"AccessDeniedException"}
}
