package main

import (
	"os"
	"path/filepath"
	"testing"

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
					text := e.advice(&probe{link: config.OpenLink{Scheme: scheme}, class: class, given: given})
					quiet := class == hush.ErrNotFound && !given
					assert.Equal(t, quiet, text == "", "%s %s %v in %s", scheme, class, given, place)
				}
			}
		}
	}
	e := &examination{surroundings: []surrounding{{Name: "EC2"}}}
	absent := &probe{link: config.OpenLink{Scheme: "direct"}, class: hush.ErrAbsent}
	assert.Contains(t, e.advice(absent), "direct:?instance_metadata=true")
}
