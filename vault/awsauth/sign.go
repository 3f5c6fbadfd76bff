package awsauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	service        = "sts"
	requestBody    = "Action=GetCallerIdentity&Version=2011-06-15"
	serverIDHeader = "X-Vault-AWS-IAM-Server-ID"

	global       = "aws-global" // the SDK's name for the endpoint of all public regions
	globalRegion = "us-east-1"  // requests to that endpoint are signed for this region
)

// An endpoint is an STS.
type endpoint struct {
	url    string
	region string // to sign requests for
}

// newEndpoint returns the STS of a region. Empty means the global one.
func newEndpoint(region string) (endpoint, error) {
	name := strings.TrimSuffix(cmp.Or(region, global), "-fips")
	if name == "" || strings.Trim(name, "-") != name {
		return endpoint{}, errors.New("invalid region: must be an AWS region such as eu-west-1")
	}
	params := sts.EndpointParameters{Region: &name, UseFIPS: aws.Bool(strings.HasSuffix(region, "-fips"))}.WithDefaults()
	found, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), params)
	if err != nil {
		return endpoint{}, errors.New("AWS has no STS of that kind in the region")
	}
	e := endpoint{url: found.URI.String(), region: name}
	if schemes, _ := smithyauth.GetAuthOptions(&found.Properties); len(schemes) > 0 {
		signingRegion, _ := smithyhttp.GetSigV4SigningRegion(&schemes[0].SignerProperties)
		e.region = cmp.Or(signingRegion, name)
	}
	return e, nil
}

// signedRequest returns the body of a login: the method, URL, body and headers of a
// GetCallerIdentity request that is signed with keys.
func (e endpoint) signedRequest(ctx context.Context, keys aws.Credentials, serverID string, at time.Time) (map[string]any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/", strings.NewReader(requestBody))
	if err != nil {
		return nil, errors.New("the STS has no valid URL")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if serverID != "" {
		request.Header.Set(serverIDHeader, serverID)
	}
	hash := sha256.Sum256([]byte(requestBody))
	if err := v4.NewSigner().SignHTTP(ctx, keys, request, hex.EncodeToString(hash[:]), service, e.region, at); err != nil {
		return nil, errors.New("the request cannot be signed with these AWS credentials")
	}
	headers, err := json.Marshal(request.Header)
	if err != nil {
		return nil, errors.New("the signed headers cannot be encoded")
	}
	return map[string]any{
		"iam_http_request_method": request.Method,
		"iam_request_url":         base64.StdEncoding.EncodeToString([]byte(request.URL.String())),
		"iam_request_body":        base64.StdEncoding.EncodeToString([]byte(requestBody)),
		"iam_request_headers":     base64.StdEncoding.EncodeToString(headers),
	}, nil
}
