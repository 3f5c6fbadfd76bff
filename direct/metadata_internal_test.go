package direct

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

// TestNoMetadataService uses a client with the SDK's default configuration and without
// credentials. Neither Get nor GetBatch sends a request to the metadata service if the
// machine is not an EC2 instance.
func TestNoMetadataService(t *testing.T) {
	var requests atomic.Int32
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	defer metadata.Close()
	client := secretsmanager.New(secretsmanager.Options{
		Region: "eu-west-1",
		Credentials: aws.NewCredentialsCache(ec2rolecreds.New(func(o *ec2rolecreds.Options) {
			o.Client = imds.New(imds.Options{Endpoint: metadata.URL})
		})),
	})
	refs := []hush.Ref{hush.Name("a"), hush.Name("b")}
	for _, lacks := range []bool{true, false} {
		p := New(client, &Options{MaxAttempts: 1, Batch: true})
		p.lacksMetadata = func() bool { return lacks }
		_, err := p.Get(t.Context(), refs[0])
		require.ErrorIs(t, hush.ClassOf(err), hush.ErrAbsent, "%v", err)
		for _, r := range p.GetBatch(t.Context(), refs) {
			require.ErrorIs(t, hush.ClassOf(r.Err), hush.ErrAbsent, "%v", r.Err)
		}
		assert.Equal(t, lacks, requests.Load() == 0, "%d requests", requests.Load())
	}
}
