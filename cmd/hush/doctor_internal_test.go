package main

import (
	"context"
	"errors"
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

func TestSurroundings(t *testing.T) {
	const canary = "canary"
	for _, c := range []struct {
		vars  map[string]string
		files map[string]string
		want  []surrounding
	}{
		{want: []surrounding{{"a laptop, or another machine of its own", []string{"nothing of Lambda, CI, ECS, Kubernetes, EC2 or a container is here"}}}},
		{
			vars: map[string]string{"AWS_LAMBDA_RUNTIME_API": canary, "CI": ""},
			want: []surrounding{{"Lambda", []string{"AWS_LAMBDA_RUNTIME_API"}}},
		},
		{
			vars: map[string]string{"CI": "False", "GITHUB_ACTIONS": "0", "BUILDKITE": "1"},
			want: []surrounding{{"CI", []string{"BUILDKITE"}}},
		},
		{
			vars: map[string]string{"CI": "true", "GITHUB_ACTIONS": "true"}, files: map[string]string{".dockerenv": ""},
			want: []surrounding{{"CI", []string{"GITHUB_ACTIONS", "CI"}}, {"a container", []string{"/.dockerenv"}}},
		},
		{
			vars: map[string]string{"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "ECS_CONTAINER_METADATA_URI_V4": canary},
			want: []surrounding{{"a container of ECS", []string{"ECS_CONTAINER_METADATA_URI_V4", "AWS_EXECUTION_ENV"}}},
		},
		{
			vars:  map[string]string{"AWS_EXECUTION_ENV": "other", "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"},
			files: map[string]string{"var/run/secrets/kubernetes.io/serviceaccount/token": canary},
			want: []surrounding{
				{"a pod of EKS", []string{"AWS_WEB_IDENTITY_TOKEN_FILE"}},
				{"a pod of Kubernetes", []string{"/var/run/secrets/kubernetes.io/serviceaccount/token"}},
			},
		},
		{
			files: map[string]string{"sys/devices/virtual/dmi/id/sys_vendor": "Amazon EC2\n", "sys/hypervisor/uuid": "other"},
			want:  []surrounding{{"EC2", []string{"/sys/devices/virtual/dmi/id/sys_vendor"}}},
		},
	} {
		m := machine{func(name string) (string, bool) { v, ok := c.vars[name]; return v, ok }, t.TempDir()}
		for name, text := range c.files {
			path := filepath.Join(m.root, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		}
		assert.Equal(t, c.want, surroundings(m))
	}
}

// TestAdviceForAll says something about whatever is no secret, of any store.
func TestAdviceForAll(t *testing.T) {
	classes := []hush.Class{
		hush.ErrNotFound, hush.ErrDenied, hush.ErrUnauthenticated, hush.ErrThrottled, hush.ErrUnavailable,
		hush.ErrRefused, hush.ErrAbsent, hush.ErrUnsupported,
	}
	for _, place := range []string{"Lambda", "CI", "EC2", "a pod of EKS", "a container of ECS", "other"} {
		for _, scheme := range []string{"extension", "direct", "vault", "env", "another"} {
			for _, class := range classes {
				for _, given := range []bool{true, false} {
					e := &examination{given: given, surroundings: []surrounding{{Name: place}}}
					text := e.advice(&probe{link: config.OpenStore{Scheme: scheme}, class: class, given: given})
					quiet := class == hush.ErrNotFound && !given
					assert.Equal(t, quiet, text == "", "%s %s %v in %s", scheme, class, given, place)
				}
			}
		}
	}
	e := &examination{surroundings: []surrounding{{Name: "EC2"}}}
	absent := &probe{link: config.OpenStore{Scheme: "direct"}, class: hush.ErrAbsent}
	assert.Contains(t, e.advice(absent), "direct:?instance_metadata=true")
}

// TestRemedies say more than the class.
func TestRemedies(t *testing.T) {
	for _, r := range remedies {
		assert.NotEmpty(t, r.words)
		p := &probe{link: config.OpenStore{Scheme: "direct"}, class: hush.ErrUnavailable, err: hush.NewError("x", hush.Ref{}, hush.ErrUnavailable, errors.New(r.words))}
		assert.Equal(t, r.advice, (&examination{}).advice(p), r.words)
	}
}

// probing returns a probe of a store that takes these times, one after the other, and
// then answers class.
func probing(class hush.Class, took ...time.Duration) *probe {
	asked := 0
	return newProbe(config.OpenStore{Store: config.Store{Name: "x"}, Provider: hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		asked++
		select {
		case <-time.After(took[asked-1]):
		case <-ctx.Done():
		}
		return hush.Secret{}, hush.NewError("x", ref, class, ctx.Err())
	})}, hush.Name("db"), true)
}

func TestProbeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := probing(hush.ErrNotFound, 5, 1, 4, 2, 3)
		p.ask(t.Context(), 5, time.Second)
		assert.Len(t, p.took, 5)
		assert.Equal(t, time.Duration(3), p.median())
		assert.Equal(t, time.Duration(5), p.worst())
		p = probing(hush.ErrNotFound, 9, 2)
		p.ask(t.Context(), 2, time.Second)
		assert.Equal(t, time.Duration(2), p.median(), "of two, the lower")
	})
}

func TestProbeStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := probing(hush.ErrThrottled, 1, 1, 1)
		p.ask(t.Context(), 3, time.Second)
		assert.Len(t, p.took, 1, "what throttles is not asked again")
		p = probing(hush.ErrNotFound, 1, enough, 1, 1)
		p.ask(t.Context(), 4, time.Hour)
		assert.Len(t, p.took, 2, "nor what takes its time")
	})
}

// TestProbeKeepsTheLastAnswer of a store that was cut off after it.
func TestProbeKeepsTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := probing(hush.ErrUnauthenticated, time.Hour)
		p.ask(t.Context(), 1, time.Second)
		assert.Equal(t, hush.ErrUnauthenticated, p.class)
		p = probing(hush.ErrCanceled, time.Hour)
		p.ask(t.Context(), 1, time.Second)
		assert.Equal(t, hush.ErrUnavailable, p.class)
		assert.Contains(t, p.detail(), "an answer took longer than its limit of 1s")
	})
}

// TestReplayAsksForTheRef whose field the links were not asked for.
func TestReplayAsksForTheRef(t *testing.T) {
	p := newProbe(config.OpenStore{Store: config.Store{Name: "x"}}, hush.Ref{Name: "db", Field: "user"}, true)
	assert.Equal(t, hush.Name("db"), p.ref)
	p.secret = hush.Secret{Value: hush.NewValue([]byte(`{"user":"app"}`))}
	for field, want := range map[string]outcome{
		"":     {by: "x"},
		"user": {by: "x"},
		"nope": {class: hush.ErrNotFound, lacks: `x: not found: no field "nope"`},
	} {
		assert.Equal(t, want, replay(t.Context(), []*probe{p}, hush.Ref{Name: "db", Field: field}))
	}
}
