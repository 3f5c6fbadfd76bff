package directtest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush/direct/directtest"
)

func start(t testing.TB) (*directtest.Server, *secretsmanager.Client) {
	t.Helper()
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server, server.Client(func(o *secretsmanager.Options) { o.RetryMaxAttempts = 1 })
}

// requireCode requires that err is an error response with this code.
func requireCode(t *testing.T, want string, err error) {
	t.Helper()
	answer, ok := errors.AsType[smithy.APIError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, want, answer.ErrorCode(), answer.ErrorMessage())
}

func get(t *testing.T, client *secretsmanager.Client, in secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	t.Helper()
	return client.GetSecretValue(t.Context(), &in)
}

func read(t *testing.T, client *secretsmanager.Client, in secretsmanager.GetSecretValueInput) string {
	t.Helper()
	out, err := get(t, client, in)
	require.NoError(t, err)
	return aws.ToString(out.SecretString)
}

func TestGetSecretValue(t *testing.T) {
	server, client := start(t)
	version := server.Put("db/prod", []byte("hunter2"))
	arn := server.ARN("db/prod")
	require.Regexp(t, `^arn:aws:secretsmanager:eu-west-1:123456789012:secret:db/prod-\w{6}$`, arn)
	for _, id := range []string{"db/prod", arn, strings.TrimSuffix(arn, arn[len(arn)-7:])} {
		out, err := get(t, client, secretsmanager.GetSecretValueInput{SecretId: &id})
		require.NoError(t, err)
		assert.Equal(t, "hunter2", *out.SecretString)
		assert.Nil(t, out.SecretBinary)
		assert.Equal(t, "db/prod", *out.Name)
		assert.Equal(t, arn, *out.ARN)
		assert.Equal(t, version, *out.VersionId)
		assert.Equal(t, []string{"AWSCURRENT"}, out.VersionStages)
		assert.WithinDuration(t, time.Now(), *out.CreatedDate, time.Minute)
	}
	server.Put("binary", []byte{0xff, 0})
	out, err := get(t, client, secretsmanager.GetSecretValueInput{SecretId: aws.String("binary")})
	require.NoError(t, err)
	assert.Nil(t, out.SecretString)
	assert.Equal(t, []byte{0xff, 0}, out.SecretBinary)
}

func TestGetSecretValueRefuses(t *testing.T) {
	server, client := start(t)
	version := server.Put("db/prod", []byte("hunter2"))
	defer server.Deny("db/denied")()
	for _, c := range []struct {
		in   secretsmanager.GetSecretValueInput
		want string
	}{
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("nope")}, "ResourceNotFoundException"},
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("")}, "InvalidParameterException"},
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("db prod")}, "ValidationException"},
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("db/denied")}, "AccessDeniedException"},
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod"), VersionId: aws.String("x")}, "ResourceNotFoundException"},
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod"), VersionStage: aws.String("AWSPREVIOUS")}, "ResourceNotFoundException"},
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod"), VersionId: &version, VersionStage: aws.String("AWSPENDING")}, "InvalidRequestException"},
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("arn:aws:secretsmanager:us-east-1:123456789012:secret:db/prod")}, "ResourceNotFoundException"},
		{secretsmanager.GetSecretValueInput{SecretId: aws.String("arn:aws:secretsmanager:eu-west-1:999999999999:secret:db/prod")}, "ResourceNotFoundException"},
	} {
		_, err := get(t, client, c.in)
		requireCode(t, c.want, err)
	}
}

// TestRotation rotates a secret as a rotation function does.
func TestRotation(t *testing.T) {
	_, client := start(t)
	id := aws.String("db/prod")
	created, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: id, SecretString: aws.String("old")})
	require.NoError(t, err)
	put, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: id, SecretString: aws.String("new"), VersionStages: []string{"AWSPENDING"}, ClientRequestToken: aws.String(strings.Repeat("1", 32)),
	})
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("1", 32), *put.VersionId)
	assert.Equal(t, []string{"AWSPENDING"}, put.VersionStages)
	assert.Equal(t, "old", read(t, client, secretsmanager.GetSecretValueInput{SecretId: id}))

	move := &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: put.VersionId}
	_, err = client.UpdateSecretVersionStage(t.Context(), move)
	requireCode(t, "InvalidParameterException", err) // RemoveFromVersionId is required
	move.RemoveFromVersionId = created.VersionId
	for range 2 { // the second move changes nothing
		_, err = client.UpdateSecretVersionStage(t.Context(), move)
		require.NoError(t, err)
	}
	assert.Equal(t, "new", read(t, client, secretsmanager.GetSecretValueInput{SecretId: id}))
	assert.Equal(t, "old", read(t, client, secretsmanager.GetSecretValueInput{SecretId: id, VersionStage: aws.String("AWSPREVIOUS")}))
	assert.Equal(t, "old", read(t, client, secretsmanager.GetSecretValueInput{SecretId: id, VersionId: created.VersionId}))

	described, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: id})
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{*put.VersionId: {"AWSPENDING", "AWSCURRENT"}, *created.VersionId: {"AWSPREVIOUS"}}, described.VersionIdsToStages)

	for _, bad := range []secretsmanager.UpdateSecretVersionStageInput{
		{VersionStage: aws.String("AWSCURRENT"), RemoveFromVersionId: put.VersionId},
		{VersionStage: aws.String("")},
	} {
		bad.SecretId = id
		_, err = client.UpdateSecretVersionStage(t.Context(), &bad)
		requireCode(t, "InvalidParameterException", err)
	}
	_, err = client.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: id, VersionStage: aws.String("MINE"), MoveToVersionId: aws.String(strings.Repeat("9", 32)),
	})
	requireCode(t, "ResourceNotFoundException", err)
}

func TestPutSecretValue(t *testing.T) {
	server, client := start(t)
	server.Put("db/prod", []byte("old"))
	in := &secretsmanager.PutSecretValueInput{SecretId: aws.String("db/prod"), SecretString: aws.String("new"), ClientRequestToken: aws.String(strings.Repeat("1", 32))}
	for range 2 { // the second call is a retry
		out, err := client.PutSecretValue(t.Context(), in)
		require.NoError(t, err)
		assert.Equal(t, []string{"AWSCURRENT"}, out.VersionStages)
	}
	in.SecretString = aws.String("other")
	_, err := client.PutSecretValue(t.Context(), in)
	requireCode(t, "ResourceExistsException", err)
	in.SecretBinary = []byte("x")
	_, err = client.PutSecretValue(t.Context(), in)
	requireCode(t, "InvalidParameterException", err)
	_, err = client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("db/prod")})
	requireCode(t, "InvalidRequestException", err)
	_, err = client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("nope"), SecretString: aws.String("x")})
	requireCode(t, "ResourceNotFoundException", err)
	assert.Equal(t, "new", read(t, client, secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod")}))
}

func TestCreateSecret(t *testing.T) {
	_, client := start(t)
	out, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("empty")})
	require.NoError(t, err)
	assert.Nil(t, out.VersionId)
	_, err = get(t, client, secretsmanager.GetSecretValueInput{SecretId: aws.String("empty")})
	requireCode(t, "ResourceNotFoundException", err) // no value for AWSCURRENT
	for name, want := range map[string]string{"empty": "ResourceExistsException", "a b": "ValidationException"} {
		_, err = client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name})
		requireCode(t, want, err)
	}
}

func TestBatchGetSecretValue(t *testing.T) {
	server, client := start(t)
	server.Put("a", []byte("1"))
	server.Put("b", []byte("2"))
	server.Deny("b")
	out, err := client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a", "b", "c", server.ARN("a")}})
	require.NoError(t, err)
	require.Len(t, out.SecretValues, 2)
	assert.Equal(t, "1", *out.SecretValues[0].SecretString)
	assert.Equal(t, "a", *out.SecretValues[1].Name)
	require.Len(t, out.Errors, 2)
	assert.Equal(t, "AccessDeniedException", *out.Errors[0].ErrorCode)
	assert.Equal(t, "c", *out.Errors[1].SecretId)
	for _, ids := range [][]string{nil, make([]string, 21)} {
		_, err = client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: ids})
		requireCode(t, "InvalidParameterException", err)
	}
}

func TestDeleteSecret(t *testing.T) {
	server, client := start(t)
	server.Put("db/prod", []byte("hunter2"))
	id := aws.String("db/prod")
	out, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: aws.Int64(7)})
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().AddDate(0, 0, 7), *out.DeletionDate, time.Hour)
	_, err = get(t, client, secretsmanager.GetSecretValueInput{SecretId: id})
	requireCode(t, "InvalidRequestException", err)
	described, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: id})
	require.NoError(t, err)
	assert.NotNil(t, described.DeletedDate)
	server.Put("db/prod", []byte("restored"))
	_, err = client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: id, ForceDeleteWithoutRecovery: aws.Bool(true)})
	require.NoError(t, err)
	_, err = get(t, client, secretsmanager.GetSecretValueInput{SecretId: id})
	requireCode(t, "ResourceNotFoundException", err)
}

func TestRegions(t *testing.T) {
	server, client := start(t)
	there := "arn:aws:secretsmanager:us-east-1:123456789012:secret:db/prod"
	server.Put(there, []byte("there"))
	_, err := get(t, client, secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod")})
	requireCode(t, "ResourceNotFoundException", err)
	out, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(server.ARN(there))},
		func(o *secretsmanager.Options) { o.Region = "us-east-1" })
	require.NoError(t, err)
	assert.Equal(t, "there", *out.SecretString)
	assert.Equal(t, 1, server.Calls(directtest.Call{Region: "us-east-1", AccessKeyID: directtest.AccessKeyID}))
	assert.Equal(t, "eu-west-1", server.Region())

	other, err := directtest.Start(&directtest.Options{Region: "us-east-1"})
	require.NoError(t, err)
	defer other.Close()
	other.Put("db/prod", []byte("x"))
	assert.Equal(t, "x", read(t, other.Client(), secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod")}))
}

func TestUnsigned(t *testing.T) {
	server, _ := start(t)
	client := server.Client(func(o *secretsmanager.Options) { o.Credentials = nil })
	_, err := get(t, client, secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod")})
	requireCode(t, "MissingAuthenticationTokenException", err)
}

func TestTooLarge(t *testing.T) {
	server, client := start(t)
	server.Put("db/prod", []byte("hunter2"))
	_, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("db/prod"), SecretBinary: make([]byte, 1<<20)})
	requireCode(t, "RequestEntityTooLargeException", err)
}

// FuzzHandle checks that the server responds to every request.
func FuzzHandle(f *testing.F) {
	server, err := directtest.Start(nil)
	require.NoError(f, err)
	f.Cleanup(server.Close)
	server.Put("db/prod", []byte("hunter2"))
	f.Add("secretsmanager.GetSecretValue", "AWS4-HMAC-SHA256 Credential=a/b/eu-west-1/d/e, ", `{"SecretId":"db/prod"}`)
	f.Add("secretsmanager.DescribeSecret", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e", `{"SecretId":[]}`)
	f.Add("", "AWS4-HMAC-SHA256 Credential=", "")
	f.Fuzz(func(t *testing.T, target, authorization, body string) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL(), strings.NewReader(body))
		require.NoError(t, err)
		req.Header = http.Header{"X-Amz-Target": {target}, "Authorization": {authorization}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			if !strings.Contains(err.Error(), "invalid header field") {
				t.Errorf("no response: %v", err)
			}
			return
		}
		resp.Body.Close()
	})
}

func TestMain(m *testing.M) {
	// net/http keeps a connection open for half a second after it refused a body.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}
