package extension_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

// badEndpoints are invalid. A credential in them is the canary.
var badEndpoints = []string{
	"https://127.0.0.1:2773", "HTTPS://localhost:2773", "ftp://127.0.0.1:2773", "unix:///var/run/agent.sock",
	"127.0.0.1:2773", "localhost:2773", ":2773", "2773", "//127.0.0.1:2773", "http:127.0.0.1:2773", "http://",
	"http://10.0.0.1:2773", "http://0.0.0.0:2773", "http://[::]:2773", "http://169.254.169.254:80",
	"http://example.com:2773", "http://localhost.example.com:2773", "http://127.0.0.1.example.com:2773",
	"http://127.1:2773", "http://2130706433:2773", "http://0x7f.0.0.1:2773", "http://[::1%25lo]:2773", "http://[fe80::1]:2773",
	"http://" + canary + "@127.0.0.1:2773", "http://user:" + canary + "@127.0.0.1:2773", "http://127.0.0.1:2773@" + canary + ".com:80",
	"http://user:" + canary + "#@127.0.0.1:2773", "http://user:" + canary + "\x7f@127.0.0.1:2773", "http://" + canary + ":80@127.0.0.1",
	"http://127.0.0.1", "http://127.0.0.1:", "http://127.0.0.1:0", "http://127.0.0.1:65536", "http://127.0.0.1:-1", "http://127.0.0.1:http",
	"http://127.0.0.1:2773/secretsmanager/get", "http://127.0.0.1:2773/?x=y", "http://127.0.0.1:2773?", "http://127.0.0.1:2773?token=" + canary,
	"http://127.0.0.1:2773/#x", "http://127.0.0.1:2773//", "http://127.0.0.1:2773\n", " http://127.0.0.1:2773", "http://[::1:2773",
}

func TestInvalidEndpoints(t *testing.T) {
	inLambda(t)
	for _, endpoint := range badEndpoints {
		p := open(t, extension.Options{Endpoint: endpoint})
		p.FailOnDial(t)
		_, err := p.Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%q: %v", endpoint, err)
		assert.ErrorContains(t, err, "invalid endpoint: ", "%q", endpoint)
		assert.Empty(t, providertest.Leaks(err, canary), "%q", endpoint)

		_, err = extension.Scheme().Open(t.Context(), &url.URL{Scheme: "extension", RawQuery: url.Values{"endpoint": {endpoint}}.Encode()})
		assert.ErrorContains(t, err, "endpoint", "%q", endpoint)
		assert.Empty(t, providertest.Leaks(err, canary), "%q", endpoint)
	}
}

func TestValidEndpoints(t *testing.T) {
	inLambda(t)
	endpoint := serve(t, respondWith(200, body(`"SecretString":"x"`)))
	_, port, _ := strings.Cut(strings.TrimPrefix(endpoint, "http://"), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "LocalHost"} {
		for _, end := range []string{"", "/"} {
			_, err := open(t, extension.Options{Endpoint: "http://" + host + ":" + port + end}).Get(t.Context(), hush.Name("db"))
			assert.NoError(t, err, host+end)
		}
	}

	// IPv6 is valid, although nothing may listen there.
	_, err := open(t, extension.Options{Endpoint: "http://[::1]:1"}).Get(t.Context(), hush.Name("db"))
	assert.NotContains(t, err.Error(), "invalid")
	assert.Contains(t, err.Error(), "[::1]:1")
}

func TestPortInEnvironment(t *testing.T) {
	inLambda(t)
	endpoint := serve(t, respondWith(200, body(`"SecretString":"x"`)))
	t.Setenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", endpoint[strings.LastIndex(endpoint, ":")+1:])
	_, err := open(t, extension.Options{}).Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)

	for _, port := range []string{"0", "-1", "65536", "http", " 2773", canary} {
		t.Setenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", port)
		p := open(t, extension.Options{})
		p.FailOnDial(t)
		_, err := p.Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), port)
		assert.ErrorContains(t, err, "must be a port number", port)
		assert.Empty(t, providertest.Leaks(err, canary))
	}
}

func TestScheme(t *testing.T) {
	inLambda(t)
	scheme := extension.Scheme()
	assert.Equal(t, "extension", scheme.Name)
	assert.Equal(t, "direct", scheme.Front)
	endpoint := serve(t, respondWith(200, body(`"SecretString":"x"`)))

	for query, lambda := range map[string]bool{"": true, "dialect=auto": true, "dialect=lambda": true, "dialect=agent&timeout=2s&ready_wait=50ms": false} {
		u, err := url.Parse("extension:?endpoint=" + url.QueryEscape(endpoint) + "&" + query)
		require.NoError(t, err)
		p, err := scheme.Open(t.Context(), u)
		require.NoError(t, err, query)
		_, err = p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err, query)
		_, err = p.Get(t.Context(), hush.Name("db").Fresh())
		assert.Equal(t, lambda, hush.ClassOf(err) == hush.ErrUnsupported, "%s: %v", query, err)
	}
	for query, want := range map[string]string{
		"dialect=x":       "must be auto, lambda or agent",
		"timeout=5":       "positive duration",
		"ready_wait=-1s":  "positive duration",
		"port=2773":       "endpoint, timeout, ready_wait, dialect",
		"token=" + canary: "must not contain credentials",
	} {
		_, err := scheme.Open(t.Context(), &url.URL{Scheme: "extension", RawQuery: query})
		assert.ErrorContains(t, err, want, query)
		assert.Empty(t, providertest.Leaks(err, canary), query)
	}
}
