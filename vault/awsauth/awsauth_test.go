package awsauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/awsauth"
)

// laptop removes the configuration of AWS and Vault from the environment.
func laptop(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if key, _, _ := strings.Cut(pair, "="); strings.HasPrefix(key, "AWS_") || strings.HasPrefix(key, "VAULT_") {
			t.Setenv(key, "") // so that it is restored
			require.NoError(t, os.Unsetenv(key))
		}
	}
	home := t.TempDir()
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// credentials sets the known key in the environment.
func credentials(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
}

func static(token string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: token}, nil
	})
}

// TestLogin logs in to Vaults with each configuration. The same Vault with another
// configuration refuses the login.
func TestLogin(t *testing.T) {
	laptop(t)
	credentials(t)
	t.Setenv("AWS_REGION", "eu-west-2") // its STS is not used
	for name, c := range map[string]struct {
		opts     *awsauth.Options
		mount    string
		endpoint string
		serverID string
		region   string
	}{
		"default":      {nil, "aws", "https://sts.amazonaws.com", "", "us-east-1"},
		"role":         {&awsauth.Options{Role: "app"}, "aws", "https://sts.amazonaws.com", "", "us-east-1"},
		"server id":    {&awsauth.Options{ServerID: "vault.example.com"}, "aws", "https://sts.amazonaws.com", "vault.example.com", "us-east-1"},
		"mount":        {&awsauth.Options{Mount: "/team/aws-prod/"}, "team/aws-prod", "https://sts.amazonaws.com", "", "us-east-1"},
		"region":       {&awsauth.Options{Region: "eu-west-1"}, "aws", "https://sts.eu-west-1.amazonaws.com", "", "eu-west-1"},
		"first region": {&awsauth.Options{Region: "us-east-1"}, "aws", "https://sts.us-east-1.amazonaws.com", "", "us-east-1"},
		"China":        {&awsauth.Options{Region: "cn-north-1"}, "aws", "https://sts.cn-north-1.amazonaws.com.cn", "", "cn-north-1"},
		"GovCloud":     {&awsauth.Options{Region: "us-gov-west-1"}, "aws", "https://sts.us-gov-west-1.amazonaws.com", "", "us-gov-west-1"},
		"FIPS":         {&awsauth.Options{Region: "us-east-1-fips"}, "aws", "https://sts-fips.us-east-1.amazonaws.com", "", "us-east-1"},
		"session":      {&awsauth.Options{Credentials: static("session"), ServerID: "a  b"}, "aws", "https://sts.amazonaws.com", "", "us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startVault(t)
			s.mount, s.endpoint, s.serverID = c.mount, c.endpoint, c.serverID
			secret, err := awsauth.New(c.opts).Login(t.Context(), s.client(t))
			said := s.last(t)
			require.NoError(t, said.err)
			require.NoError(t, err)
			assert.Equal(t, "hvs.aws", secret.Auth.ClientToken)
			assert.Equal(t, c.region, said.region)
			if c.opts != nil {
				assert.Equal(t, c.opts.Role, said.role)
			}

			s.endpoint, s.serverID = "https://sts.eu-central-1.amazonaws.com", "another"
			_, err = awsauth.New(c.opts).Login(t.Context(), s.client(t))
			requireRefused(t, err)
		})
	}
}

// requireRefused requires that err is Vault's refusal.
func requireRefused(t *testing.T, err error) {
	t.Helper()
	answer, ok := errors.AsType[*api.ResponseError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
	assert.Empty(t, providertest.Leaks(err, secretKey))
}

func TestSessionToken(t *testing.T) {
	laptop(t)
	s := startVault(t)
	_, err := awsauth.New(&awsauth.Options{Credentials: static("the-session")}).Login(t.Context(), s.client(t))
	require.NoError(t, err)
	assert.Equal(t, []string{"the-session"}, s.last(t).headers["X-Amz-Security-Token"])
}

func TestLoginSendsNoTokenAndDoesNotWrap(t *testing.T) {
	laptop(t)
	t.Setenv("VAULT_TOKEN", "hvs.old")
	t.Setenv("VAULT_WRAP_TTL", "60s")
	s := startVault(t)
	_, err := awsauth.New(&awsauth.Options{Credentials: static("")}).Login(t.Context(), s.client(t))
	require.NoError(t, err)
	assert.Empty(t, s.last(t).token)
	assert.Empty(t, s.last(t).wrap)
}

func TestProviderLogsIn(t *testing.T) {
	laptop(t)
	login := startVault(t)
	mux := http.NewServeMux()
	mux.Handle("/v1/auth/", http.HandlerFunc(login.serve))
	mux.HandleFunc("/v1/secret/db", func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "hvs.aws", r.Header.Get("X-Vault-Token"))
		_, _ = w.Write([]byte(`{"data":{"password":"hunter2"}}`))
	})
	whole := httptest.NewServer(mux)
	defer whole.Close()
	login.URL = whole.URL

	get := func() (hush.Secret, error) {
		p := vault.New(login.client(t), &vault.Options{KV: 1, Auth: awsauth.New(nil)})
		return p.Get(t.Context(), hush.Ref{Name: "db", Field: "password"})
	}
	_, err := get()
	require.EqualError(t, err, `vault: "db#password": absent: no AWS credentials are configured; set AWS_PROFILE, or give the process an IAM role`)
	credentials(t)
	secret, err := get()
	require.NoError(t, err)
	assert.Equal(t, "hunter2", secret.Value.Reveal())
	login.serverID = "another"
	_, err = get()
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(err), "%v", err)
	assert.Empty(t, providertest.Leaks(err, secretKey, accessKey))
}

// New does not look for credentials. They are kept for later logins.
func TestCredentialsAreFoundLazily(t *testing.T) {
	laptop(t)
	s := startVault(t)
	method := awsauth.New(nil)
	credentials(t)
	for range 2 {
		_, err := method.Login(t.Context(), s.client(t))
		require.NoError(t, err)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
	}
}

func TestCanceledLogin(t *testing.T) {
	laptop(t)
	s := startVault(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		cancel()
		<-ctx.Done()
		return aws.Credentials{}, ctx.Err()
	})
	_, err := awsauth.New(&awsauth.Options{Credentials: ended}).Login(ctx, s.client(t))
	assert.Equal(t, context.Canceled, err, "the caller decides whose deadline it was")

	credentials(t)
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = awsauth.New(nil).Login(past, s.client(t))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}
