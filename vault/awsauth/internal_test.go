package awsauth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/clock/clocktest"
)

// A refusal after the lifetime of the signature may be due to the freeze, so the login
// is repeated once.
func TestLoginIsSignedAgainAfterAFreeze(t *testing.T) {
	for frozen, want := range map[time.Duration]int64{time.Minute: 1, signatureLifetime: 2} {
		h := clocktest.New()
		var calls atomic.Int64
		vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			h.Advance(frozen)
			w.WriteHeader(http.StatusBadRequest)
		}))
		t.Cleanup(vault.Close)
		client, err := api.NewClient(&api.Config{Address: vault.URL, HttpClient: vault.Client()})
		require.NoError(t, err)
		var dates []string
		keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			dates = append(dates, h.Now().Time().UTC().String())
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
		})
		_, err = newMethod(&Options{Credentials: keys}, h.Now).Login(t.Context(), client)
		require.Error(t, err)
		assert.Equal(t, want, calls.Load())
		assert.Len(t, dates, int(want), "with the current keys")
	}
}

func TestEachLoginIsSignedAnew(t *testing.T) {
	e, err := newEndpoint("")
	require.NoError(t, err)
	keys := aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}
	seen := map[any]bool{}
	for second := range 3 {
		body, err := e.signedRequest(t.Context(), keys, "", time.Unix(int64(second), 0))
		require.NoError(t, err)
		seen[body["iam_request_headers"]] = true
	}
	assert.Len(t, seen, 3)
}

var stsHost = regexp.MustCompile(`^sts(-fips)?\.[a-z0-9.-]+\.[a-z.]+$`)

// FuzzRegion requires that each valid region leads to an STS.
func FuzzRegion(f *testing.F) {
	for _, seed := range []string{"", "eu-west-1", "us-east-1-fips", "cn-north-1", "aws-global", "-fips", "a.b", "x@y", "us-iso-east-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, region string) {
		opts := Options{Region: region}
		if _, err := opts.check(); err != nil {
			return
		}
		e, err := newEndpoint(region)
		if err != nil {
			return
		}
		u, err := url.Parse(e.url)
		if err != nil || u.Scheme != "https" || !stsHost.MatchString(u.Host) || u.Path != "" || e.region == "" {
			t.Errorf("%q: %q, signed for %q", region, e.url, e.region)
		}
	})
}
