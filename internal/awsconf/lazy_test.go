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

// key returns the access key that the configuration leads to.
func key(cfg aws.Config) string {
	found, _ := cfg.Credentials.Retrieve(context.Background())
	return cfg.Region + " " + found.AccessKeyID
}

// TestLoadIsTriedAgain: one that failed, or found no region, not before a moment has
// passed, and then with what the environment says by now; one that went well never.
func TestLoadIsTriedAgain(t *testing.T) {
	nowhere(t, nil)
	h := clocktest.New()
	z := NewLazy(Options{Metadata: MetadataOff}, h.Now, key)
	load := func() (string, hush.Class) {
		made, class, _ := z.Load(t.Context()).Wait(t.Context(), 0)
		return made, class
	}
	_, class := load()
	assert.Equal(t, hush.ErrAbsent, class)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	h.Advance(moment - 1)
	_, class = load()
	assert.Equal(t, hush.ErrAbsent, class)
	h.Advance(1)
	made, _ := load()
	assert.Equal(t, " a", made)
	t.Setenv("AWS_REGION", "eu-west-1")
	made, _ = load()
	assert.Equal(t, " a", made)
	h.Advance(moment)
	made, _ = load()
	assert.Equal(t, "eu-west-1 a", made)
	t.Setenv("AWS_REGION", "eu-west-2")
	h.Advance(time.Hour)
	made, _ = load()
	assert.Equal(t, "eu-west-1 a", made)
}

func TestRegions(t *testing.T) {
	for _, c := range []struct{ told, found, otherwise, want string }{
		{"eu-west-1", "eu-west-2", "us-east-1", "eu-west-1 a"},
		{"", "eu-west-2", "us-east-1", "eu-west-2 a"},
		{"", "", "us-east-1", "us-east-1 a"},
	} {
		nowhere(t, nil)
		t.Setenv("AWS_ACCESS_KEY_ID", "a")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
		t.Setenv("AWS_REGION", c.found)
		h := clocktest.New()
		z := NewLazy(Options{Region: c.told, DefaultRegion: c.otherwise, Metadata: MetadataOff}, h.Now, key)
		made, _, err := z.Load(t.Context()).Wait(t.Context(), 0)
		require.NoError(t, err)
		assert.Equal(t, c.want, made)
		h.Advance(time.Hour)
		assert.True(t, z.Load(t.Context()).Done(), "what loaded well is kept")
	}
}

func TestARegionThatIsNone(t *testing.T) {
	nowhere(t, nil)
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	t.Setenv("AWS_REGION", "eu-west-1.example.com/")
	_, class, err := NewLazy(Options{Metadata: MetadataOff}, clock.New(), key).Load(t.Context()).Wait(t.Context(), 0)
	assert.Equal(t, hush.ErrUnavailable, class)
	assert.EqualError(t, err, "what AWS_REGION or a profile says is no AWS region, such as eu-west-1", "and does not quote it")
}

// TestWait: a loading that takes longer than it may is our limit's end, unless the
// caller's came first.
func TestWait(t *testing.T) {
	hanging := &Loading[string]{done: make(chan struct{})}
	_, class, err := hanging.Wait(t.Context(), time.Millisecond)
	assert.Equal(t, hush.ErrUnavailable, class)
	assert.EqualError(t, err, "loading the AWS configuration took longer than its limit of 1ms")

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, class, err = hanging.Wait(ctx, -1)
	assert.Equal(t, hush.ErrCanceled, class)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}
