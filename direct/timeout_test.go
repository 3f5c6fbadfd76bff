package direct_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
)

// An apiFunc is an API.
type apiFunc func(ctx context.Context, in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error)

func (f apiFunc) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return f(ctx, in)
}

// directAPIError is an error response of AWS as the SDK returns it.
type directAPIError struct{ code string }

func (e *directAPIError) Error() string                 { return canary }
func (e *directAPIError) ErrorCode() string             { return e.code }
func (e *directAPIError) ErrorMessage() string          { return canary }
func (e *directAPIError) ErrorFault() smithy.ErrorFault { return smithy.FaultUnknown }

// withRetries sets retries with a wait of an hour, so that a timeout always ends a wait.
func withRetries(o *secretsmanager.Options) {
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Hour, nil })
	})
}

// TestTimeoutKeepsClassOfLastResponse ends a Get while the SDK waits between attempts. The
// SDK then returns only the error of the context.
func TestTimeoutKeepsClassOfLastResponse(t *testing.T) {
	server := start(t)
	for name, c := range map[string]struct {
		failure directtest.Failure
		class   hush.Class
	}{
		"throttled": {directtest.Failure{Code: "ThrottlingException", Message: canary}, hush.ErrThrottled},
		"failing":   {directtest.Failure{Code: "InternalServiceError", Status: 500, Message: canary}, hush.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			defer server.Fail(c.failure)()
			provider := direct.New(server.Client(withRetries), &direct.Options{Timeout: 200 * time.Millisecond})
			_, err := provider.Get(t.Context(), hush.Name("db/prod"))
			requireClass(t, c.class, err)
			assert.NotErrorIs(t, err, context.DeadlineExceeded, "our limit looks like the caller's")
			assert.Contains(t, err.Error(), c.failure.Code)

			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err = direct.New(server.Client(withRetries), nil).Get(ctx, hush.Name("db/prod"))
			requireClass(t, c.class, err)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Contains(t, err.Error(), c.failure.Code)
		})
	}
}

// TestTimeoutWithoutResponse reaches a refused connection, and a server that hangs.
func TestTimeoutWithoutResponse(t *testing.T) {
	server := start(t)
	check := func(t *testing.T) {
		t.Helper()
		_, err := direct.New(server.Client(withRetries), &direct.Options{Timeout: 200 * time.Millisecond}).Get(t.Context(), hush.Name("db/prod"))
		requireClass(t, hush.ErrUnavailable, err)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)

		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err = direct.New(server.Client(withRetries), nil).Get(ctx, hush.Name("db/prod"))
		requireClass(t, hush.ErrCanceled, err)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}
	restore := server.Hang()
	t.Run("silence", check)
	restore()
	defer server.Break()()
	t.Run("requireClass", check)
}

func TestMaxAttempts(t *testing.T) {
	server := start(t)
	defer server.Fail(directtest.Failure{Status: 503, Body: []byte{}})()
	quick := func(o *secretsmanager.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 4
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	for _, c := range []struct{ max, want int }{{0, 4}, {2, 2}, {1, 1}} {
		before := server.Calls(directtest.Call{})
		_, err := direct.New(server.Client(quick), &direct.Options{MaxAttempts: c.max}).Get(t.Context(), hush.Name("db/prod"))
		requireClass(t, hush.ErrUnavailable, err)
		assert.Equal(t, c.want, server.Calls(directtest.Call{})-before)
	}
}

// TestLateSignature sees a signature from before a freeze renewed once.
func TestLateSignature(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	provider := direct.New(server.Client(once), nil)
	server.Fail(directtest.Failure{Code: "InvalidSignatureException", Message: "Signature expired: " + canary, Times: 1})
	_, err := provider.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, 2, server.Calls(directtest.Call{}))

	server.Fail(directtest.Failure{Code: "InvalidSignatureException", Message: canary})
	_, err = provider.Get(t.Context(), hush.Name("db/prod"))
	requireClass(t, hush.ErrUnauthenticated, err)
	assert.Equal(t, 4, server.Calls(directtest.Call{}))
}

func TestTimeoutOption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for timeout, want := range map[time.Duration]time.Duration{0: 3 * time.Second, time.Minute: time.Minute, -1: time.Hour} {
			start := time.Now()
			client := apiFunc(func(ctx context.Context, _ *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			_, err := direct.New(client, &direct.Options{Timeout: timeout}).Get(ctx, hush.Name("db/prod"))
			cancel()
			require.Error(t, err)
			assert.Equal(t, want, time.Since(start))
		}
	})
}

// TestSocketTimeoutAtDeadline ends a call by a socket's timer just before the context
// ends. The class is that of the context.
func TestSocketTimeoutAtDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		early := apiFunc(func(ctx context.Context, _ *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
			deadline, _ := ctx.Deadline()
			<-time.After(time.Until(deadline) - time.Millisecond)
			return nil, os.ErrDeadlineExceeded
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := direct.New(early, nil).Get(ctx, hush.Name("db/prod"))
		requireClass(t, hush.ErrCanceled, err)
		assert.ErrorIs(t, err, context.DeadlineExceeded)

		_, err = direct.New(early, nil).Get(t.Context(), hush.Name("db/prod"))
		requireClass(t, hush.ErrUnavailable, err)
		assert.Contains(t, err.Error(), "longer than its limit of 3s")
	})
}
