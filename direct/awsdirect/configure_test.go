package awsdirect_test

import (
	"context"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
)

// A recorder is an HTTP client that records the hosts of its requests.
type recorder struct {
	mu    sync.Mutex
	hosts []string
}

func (r *recorder) Do(request *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.hosts = append(r.hosts, request.URL.Host)
	r.mu.Unlock()
	return http.DefaultClient.Do(request)
}

// operations is a middleware that records the operations, as otelaws does.
func operations(into *[]string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("record", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			*into = append(*into, middleware.GetOperationName(ctx))
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}

// TestConfigure sees the HTTP client and the middleware of a program used for Secrets
// Manager and for STS.
func TestConfigure(t *testing.T) {
	laptop(t)
	credentials(t)
	calls := tokenService(t, http.StatusOK)
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	var client recorder
	var seen []string
	p := awsdirect.New(&awsdirect.Options{
		Endpoint: server.URL(),
		RoleARN:  "arn:aws:iam::123456789012:role/app",
		Configure: func(cfg *aws.Config) {
			cfg.HTTPClient = &client
			cfg.APIOptions = append(cfg.APIOptions, operations(&seen))
		},
	})
	for range 2 {
		_, err := p.Get(t.Context(), hush.Name("db/prod"))
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"GetSecretValue", "AssumeRole", "GetSecretValue"}, seen)
	assert.EqualValues(t, 1, calls())
	endpoint, err := url.Parse(server.URL())
	require.NoError(t, err)
	require.Len(t, client.hosts, 3)
	assert.Equal(t, []string{endpoint.Host, endpoint.Host}, client.hosts[1:])
}

func TestConfigureOfAScheme(t *testing.T) {
	laptop(t)
	credentials(t)
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	var client recorder
	var seen []string
	scheme := awsdirect.Scheme(
		func(cfg *aws.Config) { cfg.HTTPClient = &client },
		func(cfg *aws.Config) { cfg.APIOptions = append(cfg.APIOptions, operations(&seen)) },
	)
	p, err := scheme.Open(t.Context(), &url.URL{Scheme: "direct", RawQuery: "endpoint=" + url.QueryEscape(server.URL())})
	require.NoError(t, err)
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, []string{"GetSecretValue"}, seen)
	assert.Len(t, client.hosts, 1)
}

// TestConfigureThatFails sees a panic of Configure recovered, because Configure runs in a
// goroutine of the package.
func TestConfigureThatFails(t *testing.T) {
	laptop(t)
	credentials(t)
	for name, configure := range map[string]func(*aws.Config){
		"panic":  func(*aws.Config) { panic(canary) },
		"Goexit": func(*aws.Config) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := get(t, &awsdirect.Options{Configure: configure}, "db/prod")
			requireClass(t, hush.ErrUnavailable, err)
			assert.ErrorContains(t, err, "Options.Configure")
		})
	}
}
