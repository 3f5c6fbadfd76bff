package awsconf

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
)

// key returns the region and the access key of a configuration.
func key(cfg aws.Config) string {
	found, _ := cfg.Credentials.Retrieve(context.Background())
	return cfg.Region + " " + found.AccessKeyID
}

// TestLoadIsTriedAgain sees a load that failed, or found no region, repeated after
// failureTTL. A successful load is not repeated.
func TestLoadIsTriedAgain(t *testing.T) {
	nowhere(t, nil)
	h := clocktest.New()
	z := NewLazy(Options{Metadata: MetadataOff}, h.Now, key)
	load := func() (string, hush.Class) {
		made, class, _ := z.Get(t.Context(), 0)
		return made, class
	}
	_, class := load()
	assert.Equal(t, hush.ErrAbsent, class)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	h.Advance(failureTTL - 1)
	_, class = load()
	assert.Equal(t, hush.ErrAbsent, class)
	h.Advance(1)
	made, _ := load()
	assert.Equal(t, " a", made)
	t.Setenv("AWS_REGION", "eu-west-1")
	made, _ = load()
	assert.Equal(t, " a", made)
	h.Advance(failureTTL)
	made, _ = load()
	assert.Equal(t, "eu-west-1 a", made)
	t.Setenv("AWS_REGION", "eu-west-2")
	h.Advance(time.Hour)
	made, _ = load()
	assert.Equal(t, "eu-west-1 a", made)
}

func TestRegions(t *testing.T) {
	for _, c := range []struct{ option, found, fallback, want string }{
		{"eu-west-1", "eu-west-2", "us-east-1", "eu-west-1 a"},
		{"", "eu-west-2", "us-east-1", "eu-west-2 a"},
		{"", "", "us-east-1", "us-east-1 a"},
	} {
		nowhere(t, nil)
		t.Setenv("AWS_ACCESS_KEY_ID", "a")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
		t.Setenv("AWS_REGION", c.found)
		h := clocktest.New()
		z := NewLazy(Options{Region: c.option, DefaultRegion: c.fallback, Metadata: MetadataOff}, h.Now, key)
		made, _, err := z.Get(t.Context(), 0)
		require.NoError(t, err)
		assert.Equal(t, c.want, made)
		h.Advance(time.Hour)
		assert.True(t, z.start(t.Context()).isDone(), "a successful load is kept")
	}
}

func TestInvalidRegion(t *testing.T) {
	nowhere(t, nil)
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	t.Setenv("AWS_REGION", "eu-west-1.example.com/")
	_, class, err := NewLazy(Options{Metadata: MetadataOff}, clock.New(), key).Get(t.Context(), 0)
	assert.Equal(t, hush.ErrUnavailable, class)
	assert.EqualError(t, err, "invalid region in AWS_REGION or a profile: must be an AWS region such as eu-west-1")
}

// TestGetTimeout sees a timeout reported as ErrUnavailable, and the caller's deadline as
// ErrCanceled.
func TestGetTimeout(t *testing.T) {
	hanging := &Lazy[string]{current: &load[string]{done: make(chan struct{})}}
	_, class, err := hanging.Get(t.Context(), time.Millisecond)
	assert.Equal(t, hush.ErrUnavailable, class)
	assert.EqualError(t, err, "loading the AWS configuration took longer than its limit of 1ms")

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, class, err = hanging.Get(ctx, -1)
	assert.Equal(t, hush.ErrCanceled, class)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}
