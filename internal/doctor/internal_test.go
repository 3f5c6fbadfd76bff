package doctor

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
)

func TestDetectPlatforms(t *testing.T) {
	const canary = "canary"
	for _, c := range []struct {
		vars  map[string]string
		files map[string]string
		want  []platform
	}{
		{want: []platform{{"laptop or other machine", []string{"no sign of Lambda, CI, ECS, Kubernetes, EC2 or a container"}}}},
		{
			vars: map[string]string{"AWS_LAMBDA_RUNTIME_API": canary, "CI": ""},
			want: []platform{{"Lambda", []string{"AWS_LAMBDA_RUNTIME_API"}}},
		},
		{
			vars: map[string]string{"CI": "False", "GITHUB_ACTIONS": "0", "BUILDKITE": "1"},
			want: []platform{{"CI", []string{"BUILDKITE"}}},
		},
		{
			vars: map[string]string{"CI": "true", "GITHUB_ACTIONS": "true"}, files: map[string]string{".dockerenv": ""},
			want: []platform{{"CI", []string{"GITHUB_ACTIONS", "CI"}}, {"container", []string{"/.dockerenv"}}},
		},
		{
			vars: map[string]string{"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "ECS_CONTAINER_METADATA_URI_V4": canary},
			want: []platform{{"ECS", []string{"ECS_CONTAINER_METADATA_URI_V4", "AWS_EXECUTION_ENV"}}},
		},
		{
			vars:  map[string]string{"AWS_EXECUTION_ENV": "other", "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"},
			files: map[string]string{"var/run/secrets/kubernetes.io/serviceaccount/token": canary},
			want: []platform{
				{"EKS", []string{"AWS_WEB_IDENTITY_TOKEN_FILE"}},
				{"Kubernetes", []string{"/var/run/secrets/kubernetes.io/serviceaccount/token"}},
			},
		},
		{
			files: map[string]string{"sys/devices/virtual/dmi/id/sys_vendor": "Amazon EC2\n", "sys/hypervisor/uuid": "other"},
			want:  []platform{{"EC2", []string{"/sys/devices/virtual/dmi/id/sys_vendor"}}},
		},
	} {
		m := machine{func(name string) string { return c.vars[name] }, t.TempDir()}
		for name, text := range c.files {
			path := filepath.Join(m.root, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		}
		assert.Equal(t, c.want, detectPlatforms(m))
	}
}

func TestAdviceExistsForEveryFailure(t *testing.T) {
	classes := []hush.Class{
		hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrThrottled, hush.ErrUnavailable,
		hush.ErrRefused, hush.ErrAbsent, hush.ErrUnsupported,
	}
	for _, name := range []string{lambda, ci, ec2, eks, ecs, "other"} {
		for _, scheme := range []string{"extension", "direct", "vault", "env", "another"} {
			for _, class := range classes {
				for _, given := range []bool{true, false} {
					p := &probe{store: config.OpenStore{Scheme: scheme}, class: class, given: given, platforms: []platform{{Name: name}}}
					text := (&Examination{given: given}).advice(p)
					fine := class == hush.ErrNotFound && !given
					assert.Equal(t, fine, text == "", "%s %s %v on %s", scheme, class, given, name)
				}
			}
		}
	}
	absent := &probe{store: config.OpenStore{Scheme: "direct"}, class: hush.ErrAbsent, platforms: []platform{{Name: ec2}}}
	assert.Contains(t, (&Examination{}).advice(absent), "direct:?instance_metadata=true")
}

// newTestProbe returns a probe of a store whose requests take these durations and fail
// with class.
func newTestProbe(class hush.Class, durations ...time.Duration) *probe {
	requests := 0
	return newProbe(config.OpenStore{Store: config.Store{Name: "x"}, Provider: hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		requests++
		select {
		case <-time.After(durations[requests-1]):
		case <-ctx.Done():
		}
		return hush.Secret{}, hush.NewError("x", ref, class, ctx.Err())
	})}, hush.Name("db"), true)
}

func TestProbeMeasuresMedian(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestProbe(hush.ErrNotFound, 5, 1, 4, 2, 3)
		p.run(t.Context(), 5, time.Second)
		assert.Len(t, p.durations, 5)
		assert.Equal(t, time.Duration(3), p.median())
		p = newTestProbe(hush.ErrNotFound, 9, 2)
		p.run(t.Context(), 2, time.Second)
		assert.Equal(t, time.Duration(2), p.median(), "the lower of two")
	})
}

func TestProbeStopsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestProbe(hush.ErrThrottled, 1, 1, 1)
		p.run(t.Context(), 3, time.Second)
		assert.Len(t, p.durations, 1, "after throttling")
		p = newTestProbe(hush.ErrNotFound, 1, maxProbeTime, 1, 1)
		p.run(t.Context(), 4, time.Hour)
		assert.Len(t, p.durations, 2, "after maxProbeTime")
	})
}

func TestProbeTimeoutKeepsTheStoresFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestProbe(hush.ErrUnauthenticated, time.Hour)
		p.run(t.Context(), 1, time.Second)
		assert.Equal(t, hush.ErrUnauthenticated, p.class)
		p = newTestProbe(hush.ErrCanceled, time.Hour)
		p.run(t.Context(), 1, time.Second)
		assert.Equal(t, hush.ErrUnavailable, p.class)
		assert.Contains(t, p.detail(), "1s")
	})
}

func TestProbeOfAStoreThatCancelsOnItsOwn(t *testing.T) {
	p := newTestProbe(hush.ErrCanceled, 0)
	p.run(t.Context(), 1, time.Hour)
	assert.Equal(t, hush.ErrUnavailable, p.class)
}

func TestReplaySelectsTheField(t *testing.T) {
	p := newProbe(config.OpenStore{Store: config.Store{Name: "x"}}, hush.Ref{Name: "db", Field: "user"}, true)
	assert.Equal(t, hush.Name("db"), p.ref, "stores are asked for the whole secret")
	p.secret = hush.Secret{Value: hush.NewValue([]byte(`{"user":"app"}`))}
	for field, want := range map[string]overall{
		"":     {source: "x"},
		"user": {source: "x"},
		"nope": {class: hush.ErrNotFound, problem: `x: not found: no field "nope"`},
	} {
		assert.Equal(t, want, replay(t.Context(), []*probe{p}, hush.Ref{Name: "db", Field: field}))
	}
}
