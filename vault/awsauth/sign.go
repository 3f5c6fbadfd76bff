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
	service  = "sts"
	question = "Action=GetCallerIdentity&Version=2011-06-15"
	serverID = "X-Vault-AWS-IAM-Server-ID"

	global       = "aws-global" // the SDK's name for the one that serves all public regions
	globalRegion = "us-east-1"  // which it is signed for
)

// An endpoint is an STS that can say who signed a request.
type endpoint struct {
	url    string
	region string // that requests to it are signed for
}

// endpointOf returns the STS of a region, or the global one for none.
func endpointOf(region string) (endpoint, error) {
	bare := strings.TrimSuffix(cmp.Or(region, global), "-fips")
	if bare == "" || strings.Trim(bare, "-") != bare {
		return endpoint{}, errors.New("invalid region: must be an AWS region such as eu-west-1")
	}
	params := sts.EndpointParameters{Region: &bare, UseFIPS: aws.Bool(strings.HasSuffix(region, "-fips"))}.WithDefaults()
	found, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), params)
	if err != nil {
		return endpoint{}, errors.New("AWS has no such token service for the region")
	}
	e := endpoint{url: found.URI.String(), region: bare}
	if schemes, _ := smithyauth.GetAuthOptions(&found.Properties); len(schemes) > 0 {
		signed, _ := smithyhttp.GetSigV4SigningRegion(&schemes[0].SignerProperties)
		e.region = cmp.Or(signed, bare)
	}
	return e, nil
}

// payload returns what Vault wants to be sent of the question, signed with keys: its
// method, address, body and headers.
func (e endpoint) payload(ctx context.Context, keys aws.Credentials, id string, at time.Time) (map[string]any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/", strings.NewReader(question))
	if err != nil {
		return nil, errors.New("the request to sign has no valid address")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if id != "" {
		request.Header.Set(serverID, id)
	}
	hash := sha256.Sum256([]byte(question))
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
		"iam_request_body":        base64.StdEncoding.EncodeToString([]byte(question)),
		"iam_request_headers":     base64.StdEncoding.EncodeToString(headers),
	}, nil
}
