package awsdirect_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
)

func open(t *testing.T, text string) (hush.Provider, error) {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return awsdirect.Scheme().Open(t.Context(), u)
}

func TestScheme(t *testing.T) {
	laptop(t)
	credentials(t)
	tokenService(t, 200)
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	assert.Equal(t, "direct", awsdirect.Scheme().Name)
	for _, text := range []string{
		"direct:", "direct:?region=eu-west-1&timeout=5s&instance_metadata=false",
		"direct:?role_arn=arn:aws:iam::123456789012:role/app&external_id=x", "direct:?instance_metadata=true", "direct:?batch=true",
	} {
		t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL())
		p, err := open(t, text)
		require.NoError(t, err, text)
		secret, err := p.Get(t.Context(), hush.Name("db/prod"))
		require.NoError(t, err, text)
		assert.Equal(t, "hunter2", secret.Value.Reveal())
	}
	p, err := open(t, "direct:?endpoint="+url.QueryEscape(server.URL()))
	require.NoError(t, err)
	_, err = p.Get(t.Context(), hush.Name("db/prod"))
	assert.NoError(t, err)
}

func TestSchemeRefuses(t *testing.T) {
	for text, why := range map[string]string{
		"direct:?zone=a":                              "unknown parameter",
		"direct:?token=" + canary:                     "must not contain credentials",
		"direct://user:" + canary + "@host":           "user info",
		"direct:?timeout=soon":                        "timeout",
		"direct:?instance_metadata=maybe":             "instance_metadata",
		"direct:?endpoint=10.0.0.1":                   "https",
		"direct:?endpoint=https://x:" + canary + "@h": "user info in its URL",
		"direct:?region=a.b":                          "region",
		"direct:?role_arn=app":                        "role",
		"direct:?external_id=x":                       "external ID",
	} {
		_, err := open(t, text)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), why)
		assert.NotContains(t, err.Error(), canary)
	}
}

// FuzzOpen checks that no URL panics, and that a URL with a credential does not open.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{"direct:", "direct:?region=x", "direct:?endpoint=http://[::1", "direct://u:p@h", "direct:?role_arn=arn:::::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		p, err := awsdirect.Scheme().Open(t.Context(), u)
		if (err == nil) == (p == nil) {
			t.Errorf("%q: %v, %v", text, p, err)
		}
		if err == nil && u.User != nil {
			t.Errorf("%q opens", text)
		}
	})
}
