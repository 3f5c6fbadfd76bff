package awsdirect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

// laptop sets an environment without AWS configuration: no variables, an empty home, and a
// metadata service that counts its requests.
func laptop(t *testing.T) (metadataCalls *atomic.Int64) {
	t.Helper()
	for _, pair := range os.Environ() {
		if key, _, _ := strings.Cut(pair, "="); strings.HasPrefix(key, "AWS_") {
			t.Setenv(key, "") // so that it is restored
			require.NoError(t, os.Unsetenv(key))
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	metadataCalls = new(atomic.Int64)
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		metadataCalls.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(metadata.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	return metadataCalls
}

// credentials sets a region and credentials in the environment.
func credentials(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", directtest.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", directtest.SecretAccessKey)
}

// write creates a file in the home and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(os.Getenv("HOME"), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func start(t testing.TB) *directtest.Server {
	t.Helper()
	server, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server
}

// tokenService is an STS that returns the credentials of the role, or an error.
func tokenService(t *testing.T, status int) (calls func() int64) {
	t.Helper()
	var count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		_ = r.ParseForm()
		if status != http.StatusOK {
			w.WriteHeader(status)
			fmt.Fprintf(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>%s</Message></Error></ErrorResponse>`, canary)
			return
		}
		action := r.Form.Get("Action")
		fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials>
			<AccessKeyId>ROLE-%[1]s-%[2]s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
			<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></%[1]sResult></%[1]sResponse>`, action, r.Form.Get("ExternalId"))
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	return count.Load
}
