package directtest_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

var prod = secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod")}

func status(t *testing.T, err error) int {
	t.Helper()
	answer, ok := errors.AsType[*awshttp.ResponseError](err)
	require.True(t, ok, "%v", err)
	return answer.HTTPStatusCode()
}

func TestFail(t *testing.T) {
	server, client := start(t)
	server.Put("db/prod", []byte("hunter2"))
	server.Fail(directtest.Failure{Operation: "DescribeSecret", Code: "NotThis"})
	server.Fail(directtest.Failure{Name: "other", Code: "NotThisEither"})
	server.Fail(directtest.Failure{Name: "db/prod", Times: 2, Code: "ThrottlingException"})
	restore := server.Fail(directtest.Failure{Operation: "GetSecretValue", Status: 500, Code: "com.amazonaws.secretsmanager#InternalServiceError", Message: "why"})
	for _, want := range []string{"ThrottlingException", "ThrottlingException", "InternalServiceError", "InternalServiceError"} {
		_, err := get(t, client, prod)
		requireCode(t, want, err)
	}
	restore()
	assert.Equal(t, "hunter2", read(t, client, prod))
	assert.Equal(t, 5, server.Calls(directtest.Call{}), "failed calls count")
}

func TestFailureForms(t *testing.T) {
	server, client := start(t)
	for want, failure := range map[string]directtest.Failure{
		"InternalServiceError": {Status: 500, Code: "InternalServiceError", InHeader: true, Message: "why"},
		"UnknownError":         {Status: 429, Body: []byte{}},
		"FromTheHeader":        {Code: "FromTheHeader", InHeader: true, Body: []byte{}},
	} {
		restore := server.Fail(failure)
		_, err := get(t, client, prod)
		restore()
		requireCode(t, want, err)
		if failure.Status != 0 {
			assert.Equal(t, failure.Status, status(t, err))
		}
	}
	defer server.Fail(directtest.Failure{Drop: true})()
	_, err := get(t, client, prod)
	require.ErrorContains(t, err, "EOF")
}

func TestDenyRestores(t *testing.T) {
	server, client := start(t)
	server.Put("db/prod", []byte("hunter2"))
	restore := server.Deny("db/prod")
	_, err := get(t, client, prod)
	requireCode(t, "AccessDeniedException", err)
	assert.Equal(t, 400, status(t, err))
	restore()
	assert.Equal(t, "hunter2", read(t, client, prod))
}

func TestLatency(t *testing.T) {
	server, client := start(t)
	server.Put("db/prod", []byte("hunter2"))
	server.Latency(300*time.Millisecond, 50*time.Millisecond)
	took := func() time.Duration {
		start := time.Now()
		read(t, client, prod)
		return time.Since(start)
	}
	assert.GreaterOrEqual(t, took(), 300*time.Millisecond)
	assert.GreaterOrEqual(t, took(), 50*time.Millisecond)
	server.Latency(time.Hour, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := client.GetSecretValue(ctx, &prod)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, "hunter2", read(t, client, prod), "later calls are not delayed")
}

func TestHang(t *testing.T) {
	server, client := start(t)
	server.Put("db/prod", []byte("hunter2"))
	restore := server.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := client.GetSecretValue(ctx, &prod)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	var wg sync.WaitGroup
	wg.Go(func() { assert.Equal(t, "hunter2", read(t, client, prod)) })
	assert.Eventually(t, func() bool { return server.Calls(directtest.Call{}) == 2 }, 10*time.Second, time.Millisecond)
	restore()
	restore()
	wg.Wait()
}

func TestBreak(t *testing.T) {
	server, client := start(t)
	server.Put("db/prod", []byte("hunter2"))
	read(t, client, prod)
	one, two := server.Break(), server.Break()
	_, err := get(t, client, prod)
	require.Error(t, err, "the kept connection is closed")
	_, err = get(t, client, prod)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	one()
	one()
	_, err = get(t, client, prod)
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "still broken by the other")
	two()
	assert.Equal(t, "hunter2", read(t, client, prod))
}

// TestClose ends calls that hang, and the server stays closed.
func TestClose(t *testing.T) {
	server, client := start(t)
	server.Hang()
	restore := server.Break()
	restore()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := get(t, client, prod)
		assert.Error(t, err)
	})
	assert.Eventually(t, func() bool { return server.Calls(directtest.Call{}) == 1 }, 10*time.Second, time.Millisecond)
	broken := server.Break()
	server.Close()
	server.Close()
	broken()
	wg.Wait()
	_, err := net.Dial("tcp", server.URL()[len("http://"):])
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
