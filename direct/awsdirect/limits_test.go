package awsdirect_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/direct/directtest"
)

// closedPort refuses connections: no server uses the port of TCPMUX, and the system assigns
// no port that low.
const closedPort = "127.0.0.1:1"

// The times in these tests are the documented limits. The measured times are at most a
// third of them.

func TestRefusedEndpoint(t *testing.T) {
	laptop(t)
	credentials(t)
	p := awsdirect.New(&awsdirect.Options{Endpoint: "http://" + closedPort})
	start := time.Now()
	_, err := p.Get(t.Context(), hush.Name("db/prod"))
	took := time.Since(start)
	requireClass(t, hush.ErrUnavailable, err)
	assert.Less(t, took, 500*time.Millisecond)
	t.Log(took, err)
}

func TestSlowFirstCall(t *testing.T) {
	laptop(t)
	credentials(t)
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	server.Latency(time.Second, 0)
	secret, err := awsdirect.New(&awsdirect.Options{Endpoint: server.URL()}).Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, "hunter2", secret.Value.Reveal())
	assert.Equal(t, 1, server.Calls(directtest.Call{}))
}

func TestTwoAttempts(t *testing.T) {
	laptop(t)
	credentials(t)
	server := start(t)
	server.Fail(directtest.Failure{Code: "ThrottlingException", Message: canary})
	start := time.Now()
	_, err := awsdirect.New(&awsdirect.Options{Endpoint: server.URL()}).Get(t.Context(), hush.Name("db/prod"))
	requireClass(t, hush.ErrThrottled, err)
	assert.Less(t, time.Since(start), 500*time.Millisecond)
	assert.Equal(t, 2, server.Calls(directtest.Call{}))
}

// TestCertificates sees a certificate trusted only with AWS_CA_BUNDLE.
func TestCertificates(t *testing.T) {
	laptop(t)
	credentials(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"Name":"db/prod","SecretString":"hunter2"}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := get(t, &awsdirect.Options{Endpoint: server.URL}, "db/prod")
	requireClass(t, hush.ErrUnavailable, err)
	assert.Contains(t, err.Error(), "certificate is not trusted")

	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	t.Setenv("AWS_CA_BUNDLE", write(t, "bundle.pem", string(block)))
	secret, err := get(t, &awsdirect.Options{Endpoint: server.URL}, "db/prod")
	require.NoError(t, err)
	assert.Equal(t, "hunter2", secret.Value.Reveal())
}

// TestTimeoutIsOurs distinguishes the timeout from the caller's deadline.
func TestTimeoutIsOurs(t *testing.T) {
	laptop(t)
	credentials(t)
	server := start(t)
	defer server.Hang()()
	_, err := awsdirect.New(&awsdirect.Options{Endpoint: server.URL(), Timeout: 100 * time.Millisecond}).Get(t.Context(), hush.Name("db/prod"))
	requireClass(t, hush.ErrUnavailable, err)
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
}
