package awsdirect

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/internal/clock"
)

// nowhere is an environment that configures nothing but a region, and says of the
// machine what firmware says.
func nowhere(t *testing.T, firmware map[string]string) (sys string) {
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
	for name, text := range firmware {
		path := filepath.Join(home, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return home
}

// TestMetadataAuto sees the metadata service asked on an EC2 instance, and there
// alone.
func TestMetadataAuto(t *testing.T) {
	for name, c := range map[string]struct {
		firmware map[string]string
		choice   Metadata
		asked    bool
	}{
		"laptop":         {map[string]string{"devices/virtual/dmi/id/sys_vendor": "LENOVO\n", "hypervisor/uuid": "00000000\n"}, MetadataAuto, false},
		"no firmware":    {nil, MetadataAuto, false},
		"nitro":          {map[string]string{"devices/virtual/dmi/id/sys_vendor": "Amazon EC2\n"}, MetadataAuto, true},
		"xen":            {map[string]string{"hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef\n"}, MetadataAuto, true},
		"told":           {nil, MetadataOn, true},
		"told otherwise": {map[string]string{"devices/virtual/dmi/id/bios_vendor": "Amazon EC2\n"}, MetadataOff, false},
	} {
		t.Run(name, func(t *testing.T) {
			sys := nowhere(t, c.firmware)
			var calls atomic.Int64
			metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.WriteHeader(http.StatusNotFound)
			}))
			defer metadata.Close()
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
			p := New(&Options{InstanceMetadata: c.choice})
			p.sys = sys
			_, err := p.Get(t.Context(), hush.Name("db/prod"))
			assert.Equal(t, hush.ErrAbsent, hush.ClassOf(err), "%v", err)
			assert.Equal(t, c.asked, calls.Load() > 0, "asked %d times", calls.Load())
		})
	}
}

// hand is a clock that a test moves.
type hand struct{ at atomic.Int64 }

func (h *hand) now() clock.Instant   { return clock.Instant{Wall: h.at.Load(), Mono: h.at.Load()} }
func (h *hand) move(d time.Duration) { h.at.Add(int64(d)) }
func (h *hand) Retrieve(context.Context) (aws.Credentials, error) {
	h.move(time.Hour) // stands in for a source that counts its calls
	return aws.Credentials{}, errors.New("no")
}

// TestFailedLoadIsTriedAgain: not before a moment has passed, and then with what
// the environment says by now.
func TestFailedLoadIsTriedAgain(t *testing.T) {
	nowhere(t, nil)
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Put("db/prod", []byte("hunter2"))
	var h hand
	p := New(&Options{Endpoint: server.URL(), InstanceMetadata: MetadataOff})
	p.now = h.now
	class := func() hush.Class {
		_, err := p.Get(t.Context(), hush.Name("db/prod"))
		return hush.ClassOf(err)
	}
	assert.Equal(t, hush.ErrAbsent, class())
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	h.move(moment - 1)
	assert.Equal(t, hush.ErrAbsent, class())
	h.move(1)
	assert.Equal(t, hush.Class(0), class())
	first := p.current
	h.move(time.Hour)
	assert.Equal(t, hush.Class(0), class())
	assert.Same(t, first, p.current, "what loaded well is kept")
}

func TestMissingRegionIsTriedAgain(t *testing.T) {
	nowhere(t, nil)
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	t.Setenv("AWS_REGION", "")
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Put("db/prod", []byte("hunter2"))
	var h hand
	p := New(&Options{Endpoint: server.URL(), InstanceMetadata: MetadataOff})
	p.now = h.now
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	assert.Equal(t, hush.ErrAbsent, hush.ClassOf(err), "%v", err)
	t.Setenv("AWS_REGION", "eu-west-1")
	h.move(moment)
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	assert.NoError(t, err)
}

func TestPatient(t *testing.T) {
	var h, source hand
	p := &patient{next: &source, now: h.now}
	for range 3 {
		_, err := p.Retrieve(t.Context())
		require.Error(t, err)
	}
	assert.Equal(t, int64(time.Hour), source.at.Load(), "one call")
	h.move(moment)
	_, err := p.Retrieve(t.Context())
	require.Error(t, err)
	assert.Equal(t, int64(2*time.Hour), source.at.Load(), "a second one a moment later")

	h.move(moment)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		_, err = p.Retrieve(gone)
		require.Error(t, err)
	}
	assert.Equal(t, int64(4*time.Hour), source.at.Load(), "a caller's own end is not remembered")
}

// TestDetachedLoad: the first caller leaves, the load goes on, and the next caller
// has it.
func TestDetachedLoad(t *testing.T) {
	nowhere(t, nil)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	asked, answer := make(chan struct{}, 16), make(chan struct{})
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/latest/dynamic/instance-identity/document" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		asked <- struct{}{}
		<-answer
		_, _ = w.Write([]byte(`{"region":"eu-west-1"}`))
	}))
	defer metadata.Close()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Put("db/prod", []byte("hunter2"))

	p := New(&Options{Endpoint: server.URL(), InstanceMetadata: MetadataOn})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err = p.Get(ctx, hush.Name("db/prod"))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))

	close(answer)
	secret, err := p.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, "hunter2", secret.Value.Reveal())
	assert.Empty(t, asked, "the load was asked for once")
}

// TestHangingLoad: a load that takes longer than the timeout is our limit's end.
func TestHangingLoad(t *testing.T) {
	p := New(&Options{Timeout: time.Millisecond})
	p.current = &loading{done: make(chan struct{})}
	_, err := p.Get(t.Context(), hush.Name("db/prod"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.NotErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	p.opts.Timeout = -1
	_, err = p.Get(ctx, hush.Name("db/prod"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestTimeoutIsShared: what the load took is not there for the call.
func TestTimeoutIsShared(t *testing.T) {
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.Hang()
	var h hand
	p := New(&Options{Timeout: 5 * time.Second})
	l := &loading{done: make(chan struct{}), client: server.Client()}
	p.current = l
	loaded := sync.OnceFunc(func() { // by the time that the clock is read again
		h.move(5*time.Second - 50*time.Millisecond)
		close(l.done)
	})
	p.now = func() clock.Instant {
		now := h.now()
		loaded()
		return now
	}
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.ErrorContains(t, err, "limit of 50ms")

	start := h.now()
	h.move(time.Hour)
	assert.Equal(t, time.Millisecond, p.left(start), "none is left, and none would be no limit")
	p.opts.Timeout = -1
	assert.Equal(t, time.Duration(-1), p.left(start))
}

func TestWaitBetweenAttempts(t *testing.T) {
	retryer := newRetryer()
	assert.Equal(t, 2, retryer.MaxAttempts())
	for range 1000 {
		wait, err := retryer.RetryDelay(1, nil)
		require.NoError(t, err)
		require.Less(t, wait, 100*time.Millisecond)
	}
}
