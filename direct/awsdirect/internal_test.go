package awsdirect

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
)

// nowhere sets an environment that configures only a region.
func nowhere(t *testing.T) {
	t.Helper()
	for _, key := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EC2_METADATA_DISABLED",
	} {
		t.Setenv(key, "")
	}
	home := t.TempDir()
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	t.Setenv("AWS_REGION", "eu-west-1")
}

// TestFailedLoadIsTriedAgain sees a failed load repeated after a second, with the
// environment of that time.
func TestFailedLoadIsTriedAgain(t *testing.T) {
	nowhere(t)
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Put("db/prod", []byte("hunter2"))
	h := clocktest.New()
	p := newProvider(&Options{Endpoint: server.URL(), InstanceMetadata: MetadataOff}, h.Now)
	class := func() hush.Class {
		_, err := p.Get(t.Context(), hush.Name("db/prod"))
		return hush.ClassOf(err)
	}
	assert.Equal(t, hush.ErrAbsent, class())
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	h.Advance(time.Second - 1)
	assert.Equal(t, hush.ErrAbsent, class())
	h.Advance(1)
	assert.Equal(t, hush.Class(0), class())
	first, _, _ := p.client.Get(t.Context(), 0)
	h.Advance(time.Hour)
	assert.Equal(t, hush.Class(0), class())
	second, _, _ := p.client.Get(t.Context(), 0)
	assert.Same(t, first.Client, second.Client, "a successful load is kept")
}

func TestMissingRegionIsTriedAgain(t *testing.T) {
	nowhere(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	t.Setenv("AWS_REGION", "")
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Put("db/prod", []byte("hunter2"))
	h := clocktest.New()
	p := newProvider(&Options{Endpoint: server.URL(), InstanceMetadata: MetadataOff}, h.Now)
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	assert.Equal(t, hush.ErrAbsent, hush.ClassOf(err), "%v", err)
	t.Setenv("AWS_REGION", "eu-west-1")
	h.Advance(time.Second)
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	assert.NoError(t, err)
}

// machine starts the metadata service of an EC2 instance. It calls requested before it
// responds with its region.
func machine(t *testing.T, requested func()) {
	t.Helper()
	nowhere(t)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/latest/dynamic/instance-identity/document" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		requested()
		_, _ = w.Write([]byte(`{"region":"eu-west-1"}`))
	}))
	t.Cleanup(metadata.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
}

// TestDetachedLoad sees a load continue after its first caller was canceled.
func TestDetachedLoad(t *testing.T) {
	requested, respond := make(chan struct{}, 16), make(chan struct{})
	machine(t, func() {
		requested <- struct{}{}
		<-respond
	})
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Put("db/prod", []byte("hunter2"))

	p := New(&Options{Endpoint: server.URL(), InstanceMetadata: MetadataOn})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-requested
		cancel()
	}()
	_, err = p.Get(ctx, hush.Name("db/prod"))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))

	close(respond)
	secret, err := p.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, "hunter2", secret.Value.Reveal())
	assert.Empty(t, requested, "there is one load")
}

// TestHangingLoad sees the timeout end a Get during the load. The last Get waits for the
// end of the load, which reads global variables that other tests set.
func TestHangingLoad(t *testing.T) {
	respond := make(chan struct{})
	machine(t, func() { <-respond })
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Put("db/prod", []byte("hunter2"))
	p := New(&Options{Endpoint: server.URL(), Timeout: time.Millisecond, InstanceMetadata: MetadataOn})
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.NotErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	p.opts.Timeout = -1
	_, err = p.Get(ctx, hush.Name("db/prod"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	close(respond)
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
}

// TestTimeoutIsShared sees the call get the time that the load left.
func TestTimeoutIsShared(t *testing.T) {
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Hang()
	h := clocktest.New()
	machine(t, func() { h.Advance(5*time.Second - 50*time.Millisecond) })
	p := newProvider(&Options{Endpoint: server.URL(), InstanceMetadata: MetadataOn, Timeout: 5 * time.Second}, h.Now)
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.ErrorContains(t, err, "limit of 50ms")

	start := h.Now()
	h.Advance(time.Hour)
	assert.Equal(t, time.Millisecond, p.remaining(start), "zero would mean no timeout")
	p.opts.Timeout = -1
	assert.Equal(t, time.Duration(-1), p.remaining(start))
}

// TestPlaintextEndpoint sees a warning regardless of where the endpoint is configured.
func TestPlaintextEndpoint(t *testing.T) {
	const far, near = "http://192.0.2.1:4566", "http://127.0.0.1:4566"
	for name, c := range map[string]struct {
		option   string
		variable string
		file     string // the profile
		want     string // the endpoint that is logged
	}{
		"option":             {option: far, want: far},
		"variable":           {variable: "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + far, want: far},
		"variable for all":   {variable: "AWS_ENDPOINT_URL=" + far, want: far},
		"with a path":        {variable: "AWS_ENDPOINT_URL=http://192.0.2.1:4566/canary", want: far},
		"profile":            {file: "[default]\nendpoint_url = " + far + "\n", want: far},
		"option first":       {option: near, variable: "AWS_ENDPOINT_URL=" + far},
		"loopback":           {variable: "AWS_ENDPOINT_URL=" + near},
		"loopback by name":   {option: "http://localhost:4566"},
		"loopback by IPv6":   {option: "http://[::1]:4566"},
		"option with https":  {option: "https://192.0.2.1"},
		"variable and https": {variable: "AWS_ENDPOINT_URL=https://192.0.2.1"},
		"AWS":                {},
	} {
		t.Run(name, func(t *testing.T) {
			nowhere(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "a")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
			if key, value, ok := strings.Cut(c.variable, "="); ok {
				t.Setenv(key, value)
			}
			require.NoError(t, os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(c.file), 0o600))
			var logged bytes.Buffer
			p := New(&Options{Endpoint: c.option, Logger: slog.New(slog.NewJSONHandler(&logged, nil))})
			require.NoError(t, p.fault)
			_, _, err := p.client.Get(t.Context(), time.Minute)
			require.NoError(t, err)
			if c.want == "" {
				assert.Empty(t, logged.String())
				return
			}
			assert.Contains(t, logged.String(), `"level":"WARN"`)
			assert.Contains(t, logged.String(), `"endpoint":"`+c.want+`"`)
			assert.NotContains(t, logged.String(), "canary")
		})
	}
}
