// Package directtest is an AWS Secrets Manager for tests and demonstrations. It is a
// server with the JSON 1.1 protocol on a loopback socket, so that a test uses the client
// of the AWS SDK with its retries and signatures.
//
//	server, err := directtest.Start(nil)
//	...
//	defer server.Close()
//	server.Put("db/prod", []byte("hunter2"))
//	provider := direct.New(server.Client(), nil)
//
// The server keeps versions and stages by region, in memory. [Server.Fail],
// [Server.Deny], [Server.Latency], [Server.Hang] and [Server.Break] make it fail. A
// request must have a signature, but the server does not verify it. The operations are
// GetSecretValue, BatchGetSecretValue, CreateSecret, PutSecretValue,
// UpdateSecretVersionStage, DescribeSecret and DeleteSecret.
//
// The package imports no testing package, so that a program can link it.
package directtest

import (
	"cmp"
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/test/breakable"
)

// Account is the AWS account in the ARNs of a Server.
const Account = "123456789012"

// The credentials of Client, from AWS's documentation. A Server accepts any credentials.
const (
	AccessKeyID     = "AKIAIOSFODNN7EXAMPLE"
	SecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// Options are the settings of a Server. The zero value has the documented defaults.
type Options struct {
	// Region is the region of secrets whose name is not an ARN, and of Client. Empty
	// means eu-west-1.
	Region string
}

// A Server is a Secrets Manager. It is safe for concurrent use.
type Server struct {
	region string
	http   hidden.Of[*breakable.Server] // has connections with buffers
	store  hidden.Of[*store]
	faults hidden.Of[*faults] // has bodies of responses
	calls  calls
}

// Start listens on a free port of 127.0.0.1 and serves until Close. Nil opts means the
// default. Start returns an error only if there is no free port.
func Start(opts *Options) (*Server, error) {
	if opts == nil {
		opts = &Options{}
	}
	s := &Server{
		region: cmp.Or(opts.Region, "eu-west-1"),
		store:  hidden.New(&store{secrets: map[place]*secret{}, denied: map[place]bool{}}),
		faults: hidden.New(&faults{}),
	}
	server, err := breakable.Start(http.HandlerFunc(s.handle))
	if err != nil {
		return nil, err
	}
	s.http = hidden.New(server)
	return s, nil
}

// URL returns the endpoint of the server, such as http://127.0.0.1:40123. Break does not
// change it.
func (s *Server) URL() string { return s.http.Get().URL() }

// Region returns the region of secrets whose name is not an ARN.
func (s *Server) Region() string { return s.region }

// Client returns a Secrets Manager client of the AWS SDK for this server. Except for the
// region, the credentials and the endpoint, it has the SDK's defaults. opts change them.
func (s *Server) Client(opts ...func(*secretsmanager.Options)) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region:       s.region,
		BaseEndpoint: aws.String(s.URL()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey, Source: "directtest"}, nil
		}),
	}, opts...)
}

// Break closes every connection and refuses new ones until restore is called. restore
// listens on the same port, and panics if another process uses the port.
func (s *Server) Break() (restore func()) { return s.http.Get().Break() }

// Close ends every call and stops the server. Later calls of Close do nothing.
func (s *Server) Close() { s.http.Get().Close() }
