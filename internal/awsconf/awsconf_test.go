package awsconf

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
)

// nowhere sets an environment that configures only a region, and returns a directory with
// these files of the firmware.
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

// TestMetadataAuto sees the metadata service used only on an EC2 instance.
func TestMetadataAuto(t *testing.T) {
	for name, c := range map[string]struct {
		firmware map[string]string
		choice   Metadata
		asked    bool
	}{
		"laptop":      {map[string]string{"devices/virtual/dmi/id/sys_vendor": "LENOVO\n", "hypervisor/uuid": "00000000\n"}, MetadataAuto, false},
		"no firmware": {nil, MetadataAuto, false},
		"nitro":       {map[string]string{"devices/virtual/dmi/id/sys_vendor": "Amazon EC2\n"}, MetadataAuto, true},
		"xen":         {map[string]string{"hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef\n"}, MetadataAuto, true},
		"on":          {nil, MetadataOn, true},
		"off":         {map[string]string{"devices/virtual/dmi/id/bios_vendor": "Amazon EC2\n"}, MetadataOff, false},
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
			z := NewLazy(Options{Metadata: c.choice}, clock.New(), func(cfg aws.Config) aws.CredentialsProvider { return cfg.Credentials })
			z.sys = sys
			source, class, err := z.Get(t.Context(), 0)
			if err == nil {
				_, err = source.Retrieve(t.Context())
				class, _ = awsfault.Credentials(source, err)
			}
			assert.Equal(t, hush.ErrAbsent, class, "%v", err)
			assert.Equal(t, c.asked, calls.Load() > 0, "asked %d times", calls.Load())
		})
	}
}

// A failingSource counts its calls, and has no credentials.
type failingSource struct{ calls int }

func (s *failingSource) Retrieve(context.Context) (aws.Credentials, error) {
	s.calls++
	return aws.Credentials{}, errors.New("no")
}

func TestRestingSource(t *testing.T) {
	c, source := clocktest.New(), &failingSource{}
	p := &restingSource{next: source, now: c.Now}
	for range 3 {
		_, err := p.Retrieve(t.Context())
		require.Error(t, err)
	}
	assert.Equal(t, 1, source.calls, "the failure is remembered")
	c.Advance(failureTTL)
	_, err := p.Retrieve(t.Context())
	require.Error(t, err)
	assert.Equal(t, 2, source.calls, "the failure is forgotten")

	c.Advance(failureTTL)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		_, err = p.Retrieve(canceled)
		require.Error(t, err)
	}
	assert.Equal(t, 4, source.calls, "a call that its context ended is not remembered")
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
