package awsauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault/awsauth"
)

// closedPort is a port that refuses connections.
const closedPort = "127.0.0.1:1"

const roleARN = "arn:aws:iam::123456789012:role/app"

// tokenService is an STS that returns the known key for the role, or refuses with
// status.
func tokenService(t *testing.T, status int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("ExternalId") != "ext" || status != http.StatusOK {
			w.WriteHeader(max(status, http.StatusForbidden))
			fmt.Fprintf(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>%s</Message></Error></ErrorResponse>`, secretKey)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
			<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>of-the-role</SessionToken>
			<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, accessKey, secretKey)
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
}

// Without a region, the global endpoint is used.
func TestRoleARNWithoutARegion(t *testing.T) {
	laptop(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "another")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	tokenService(t, http.StatusOK)
	s := startVault(t)
	_, err := awsauth.New(&awsauth.Options{RoleARN: roleARN, ExternalID: "ext"}).Login(t.Context(), s.client(t))
	require.NoError(t, s.last(t).err)
	require.NoError(t, err)
	assert.Equal(t, []string{"of-the-role"}, s.last(t).headers["X-Amz-Security-Token"])
}

func failing(err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, err })
}

// Each error has a class and quotes nothing, and Vault is not asked.
func TestMissingAndInvalidCredentials(t *testing.T) {
	role := &awsauth.Options{RoleARN: roleARN, ExternalID: "ext"}
	for name, c := range map[string]struct {
		set   func(t *testing.T)
		opts  *awsauth.Options
		class hush.Class
		words string
	}{
		"nothing":      {nil, nil, hush.ErrAbsent, "no AWS credentials are configured"},
		"half a key":   {func(t *testing.T) { t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey) }, nil, hush.ErrUnauthenticated, "only one of AWS_ACCESS_KEY_ID"},
		"no profile":   {nil, &awsauth.Options{Profile: "nobody"}, hush.ErrUnauthenticated, `no profile "nobody"`},
		"broken role":  {func(t *testing.T) { credentials(t); tokenService(t, http.StatusServiceUnavailable) }, role, hush.ErrUnavailable, "a role to assume"},
		"refused role": {func(t *testing.T) { credentials(t); tokenService(t, http.StatusForbidden) }, role, hush.ErrUnauthenticated, "AccessDenied"},
		"program": {func(t *testing.T) {
			config := "[default]\ncredential_process = echo " + secretKey + "\n"
			require.NoError(t, os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(config), 0o600))
		}, nil, hush.ErrUnauthenticated, "a credential process"},
		"dead container": {func(t *testing.T) { t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://"+closedPort+"/") }, nil, hush.ErrUnavailable, "the container's endpoint"},
		"given, failing": {nil, &awsauth.Options{Credentials: failing(errors.New(secretKey))}, hush.ErrUnauthenticated, "cannot get AWS credentials"},
		"given, empty":   {nil, &awsauth.Options{Credentials: failing(nil)}, hush.ErrUnauthenticated, "have no key"},
	} {
		t.Run(name, func(t *testing.T) {
			laptop(t)
			if c.set != nil {
				c.set(t)
			}
			s := startVault(t)
			_, err := awsauth.New(c.opts).Login(t.Context(), s.client(t))
			requireFailure(t, c.class, c.words, err)
			assert.Empty(t, s.logins)
		})
	}
}

// requireFailure requires the error of a login that sent no request to Vault.
func requireFailure(t *testing.T, class hush.Class, words string, err error) {
	t.Helper()
	require.Error(t, err)
	own, ok := errors.AsType[*hush.Error](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, "vault", own.Provider)
	assert.Equal(t, class, own.Class, "%v", err)
	assert.ErrorContains(t, err, words)
	assert.Empty(t, providertest.Leaks(err, secretKey))
}

func TestInvalidOptionsFailTheLogin(t *testing.T) {
	laptop(t)
	credentials(t)
	for words, opts := range map[string]awsauth.Options{
		"invalid region":                     {Region: "eu-west-1.example.com/"},
		"must be an AWS region such as":      {Region: "-fips"},
		"the ARN of an IAM role":             {RoleARN: "app"},
		"an external ID requires":            {ExternalID: "x"},
		`segment ".." is not`:                {Mount: "../sys"},
		"remove auth/":                       {Mount: "auth/aws"},
		"empty path segment":                 {Mount: "a//b"},
		"the server ID contains a character": {ServerID: "x\r\nX-Amz-Date: y"},
		"not allowed in an HTTP header":      {ServerID: " x"},
		"Credentials excludes Profile":       {Credentials: static(""), Profile: "p"},
		"Profile and RoleARN":                {Credentials: static(""), RoleARN: roleARN},
		"an external ID requires the":        {Credentials: static(""), ExternalID: "x"},
	} {
		t.Run(words, func(t *testing.T) {
			s := startVault(t)
			_, err := awsauth.New(&opts).Login(t.Context(), s.client(t))
			requireFailure(t, hush.ErrUnauthenticated, words, err)
			assert.Empty(t, s.logins)
		})
	}
}

// hanging is a source of credentials that never responds.
type hanging struct{ sources []aws.CredentialSource }

func (h hanging) ProviderSources() []aws.CredentialSource { return h.sources }

func (hanging) Retrieve(ctx context.Context) (aws.Credentials, error) {
	<-ctx.Done()
	return aws.Credentials{}, ctx.Err()
}

// The timeout does not look like the caller's deadline.
func TestSearchForCredentialsHasATimeout(t *testing.T) {
	laptop(t)
	for words, source := range map[string]hanging{
		"finding AWS credentials took longer than its limit of 3s": {},
		"no AWS credentials are configured":                        {[]aws.CredentialSource{aws.CredentialSourceIMDS}},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, err := api.NewClient(nil)
			require.NoError(t, err)
			_, err = awsauth.New(&awsauth.Options{Credentials: source}).Login(t.Context(), client)
			class := hush.ErrUnavailable
			if source.sources != nil {
				class = hush.ErrAbsent
			}
			requireFailure(t, class, words, err)
			assert.NotErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}
