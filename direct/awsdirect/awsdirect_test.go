package awsdirect_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/providertest"
)

const canary = "canary-5f1d-e7"

func TestConformance(t *testing.T) {
	laptop(t)
	credentials(t)
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		server := start(t)
		return providertest.Harness{
			Provider: awsdirect.New(&awsdirect.Options{Endpoint: server.URL()}),
			Put:      func(name string, value []byte) { server.Put(name, value) },
			Rotate:   func(name string, value []byte) { server.Rotate(name, value)() },
			Deny:     func(name string) { server.Deny(name) },
			Break:    server.Break,
			Hang:     server.Hang,
			Hidden:   []string{directtest.SecretAccessKey},
		}
	})
}

func get(t *testing.T, opts *awsdirect.Options, name string) (hush.Secret, error) {
	t.Helper()
	return awsdirect.New(opts).Get(t.Context(), hush.Name(name))
}

// requireClass requires an error of the class want that quotes no secret.
func requireClass(t *testing.T, want hush.Class, err error) {
	t.Helper()
	require.Error(t, err)
	assert.Equal(t, want.Error(), hush.ClassOf(err).Error(), "%v", err)
	assert.Empty(t, providertest.Leaks(err, canary, directtest.SecretAccessKey), "%v", err)
}

func TestNothingConfigured(t *testing.T) {
	for name, set := range map[string]func(t *testing.T){
		"nothing":              func(*testing.T) {},
		"a region alone":       func(t *testing.T) { t.Setenv("AWS_REGION", "eu-west-1") },
		"credentials alone":    func(t *testing.T) { credentials(t); t.Setenv("AWS_REGION", "") },
		"defaults mode auto":   func(t *testing.T) { t.Setenv("AWS_DEFAULTS_MODE", "auto") }, // asks for the region
		"an empty profile":     func(t *testing.T) { write(t, "config", "[default]\nregion = eu-west-1\n") },
		"metadata switched on": func(t *testing.T) { t.Setenv("AWS_EC2_METADATA_DISABLED", "true") },
	} {
		t.Run(name, func(t *testing.T) {
			metadataCalls := laptop(t)
			set(t)
			opts := &awsdirect.Options{InstanceMetadata: awsdirect.MetadataOff}
			if name == "metadata switched on" {
				opts.InstanceMetadata = awsdirect.MetadataOn // and off again by the environment
			}
			start := time.Now()
			_, err := get(t, opts, "db/prod")
			assert.Less(t, time.Since(start), 500*time.Millisecond)
			requireClass(t, hush.ErrAbsent, err)
			assert.Zero(t, metadataCalls.Load(), "calls to the metadata service")
		})
	}
}

func TestRegionOfAnARNSuffices(t *testing.T) {
	laptop(t)
	credentials(t)
	t.Setenv("AWS_REGION", "")
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	secret, err := get(t, &awsdirect.Options{Endpoint: server.URL()}, server.ARN("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, "hunter2", secret.Value.Reveal())
}

// TestSources reads a secret with credentials from each source. The access key shows which
// source was used.
func TestSources(t *testing.T) {
	const keys = "aws_access_key_id = %s\naws_secret_access_key = s\n"
	for name, c := range map[string]struct {
		set  func(t *testing.T)
		opts awsdirect.Options
		key  string
	}{
		"environment": {credentials, awsdirect.Options{}, directtest.AccessKeyID},
		"default profile": {func(t *testing.T) {
			write(t, "config", "[default]\nregion = eu-west-1\n")
			write(t, "credentials", fmt.Sprintf("[default]\n"+keys, "FROMFILE"))
		}, awsdirect.Options{}, "FROMFILE"},
		"named profile, before the environment": {func(t *testing.T) {
			credentials(t)
			write(t, "credentials", fmt.Sprintf("[work]\n"+keys, "FROMWORK"))
		}, awsdirect.Options{Profile: "work"}, "FROMWORK"},
		"AWS_PROFILE": {func(t *testing.T) {
			t.Setenv("AWS_PROFILE", "work")
			write(t, "credentials", fmt.Sprintf("[work]\nregion = eu-west-1\n"+keys, "FROMWORK"))
		}, awsdirect.Options{}, "FROMWORK"},
		"region as an option": {func(t *testing.T) {
			credentials(t)
			t.Setenv("AWS_REGION", "us-east-1")
		}, awsdirect.Options{Region: "eu-west-1"}, directtest.AccessKeyID},
		"role": {func(t *testing.T) {
			credentials(t)
			tokenService(t, http.StatusOK)
		}, awsdirect.Options{RoleARN: "arn:aws:iam::123456789012:role/app", ExternalID: "ext"}, "ROLE-AssumeRole-ext"},
		"web identity": {func(t *testing.T) {
			t.Setenv("AWS_REGION", "eu-west-1")
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app")
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, "token", "jwt"))
			tokenService(t, http.StatusOK)
		}, awsdirect.Options{}, "ROLE-AssumeRoleWithWebIdentity-"},
		"container": {func(t *testing.T) {
			t.Setenv("AWS_REGION", "eu-west-1")
			container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, `{"AccessKeyId":"FROMCONTAINER","SecretAccessKey":"s","Token":"t"}`)
			}))
			t.Cleanup(container.Close)
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL)
		}, awsdirect.Options{}, "FROMCONTAINER"},
		"endpoint from the environment": {credentials, awsdirect.Options{}, directtest.AccessKeyID},
		"instance metadata":             {instance, awsdirect.Options{InstanceMetadata: awsdirect.MetadataOn}, "FROMMETADATA"},
	} {
		t.Run(name, func(t *testing.T) {
			laptop(t)
			server := start(t)
			server.Put("db/prod", []byte("hunter2"))
			c.set(t)
			c.opts.Endpoint = server.URL()
			if strings.HasPrefix(name, "endpoint") {
				c.opts.Endpoint = ""
				t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL())
			}
			secret, err := get(t, &c.opts, "db/prod")
			require.NoError(t, err)
			assert.Equal(t, "hunter2", secret.Value.Reveal())
			assert.Equal(t, 1, server.Calls(directtest.Call{AccessKeyID: c.key, Region: "eu-west-1"}))
		})
	}
}

// instance starts the metadata service of an EC2 instance in its first version. The SDK's
// default logger writes a warning about it to stderr.
func instance(t *testing.T) {
	t.Helper()
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimSuffix(r.URL.Path, "/") {
		case "/latest/dynamic/instance-identity/document":
			fmt.Fprint(w, `{"region":"eu-west-1"}`)
		case "/latest/meta-data/iam/security-credentials":
			fmt.Fprint(w, "app")
		case "/latest/meta-data/iam/security-credentials/app":
			fmt.Fprint(w, `{"Code":"Success","AccessKeyId":"FROMMETADATA","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(metadata.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
}

func TestInvalidOptions(t *testing.T) {
	laptop(t)
	for _, opts := range []awsdirect.Options{
		{Endpoint: "10.0.0.1:4566"},
		{Endpoint: "ftp://127.0.0.1"},
		{Endpoint: "https://user:" + canary + "@host"},
		{Endpoint: "://" + canary},
		{Endpoint: "https://"},
		{Region: "eu-west-1/x"},
		{RoleARN: "app"},
		{ExternalID: "x"},
		{InstanceMetadata: 9},
	} {
		_, err := get(t, &opts, "db/prod")
		requireClass(t, hush.ErrUnavailable, err)
	}
}

func TestRoleNeedsARegion(t *testing.T) {
	laptop(t)
	credentials(t)
	t.Setenv("AWS_REGION", "")
	_, err := get(t, &awsdirect.Options{RoleARN: "arn:aws:iam::123456789012:role/app"}, "db/prod")
	requireClass(t, hush.ErrAbsent, err)
}

// TestLazy sees the first Get load the configuration, and concurrent callers share one
// client.
func TestLazy(t *testing.T) {
	laptop(t)
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	p := awsdirect.New(&awsdirect.Options{Endpoint: server.URL()})
	credentials(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := p.Get(t.Context(), hush.Name("db/prod"))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Get(canceled, hush.Name("db/prod"))
	requireClass(t, hush.ErrCanceled, err)
}

// The SDK's default logger writes to stderr. A Provider replaces it.
func TestProviderWritesNothingToStderr(t *testing.T) {
	laptop(t)
	instance(t)
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	file, err := os.Create(write(t, "stderr", ""))
	require.NoError(t, err)
	defer file.Close()
	stderr := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = stderr }()
	_, err = get(t, &awsdirect.Options{Endpoint: server.URL(), InstanceMetadata: awsdirect.MetadataOn}, "db/prod")
	require.NoError(t, err)
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	assert.Empty(t, string(text))
}
