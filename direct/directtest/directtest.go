// Package directtest is an AWS Secrets Manager for tests and demonstrations: a
// server that speaks JSON 1.1 over a real loopback socket, so that the real SDK
// client, with its retries, its signatures and its faults, is what is tested.
//
//	server, err := directtest.Start(nil)
//	...
//	defer server.Close()
//	server.Put("db/prod", []byte("hunter2"))
//	provider := direct.New(server.Client(), nil)
//
// It keeps versions and stages as Secrets Manager does, in memory, region by
// region, and fails as it is told: see [Server.Fail], [Server.Deny],
// [Server.Latency], [Server.Hang] and [Server.Break]. It asks for a signature and
// believes it. It knows GetSecretValue, BatchGetSecretValue, CreateSecret,
// PutSecretValue, UpdateSecretVersionStage, DescribeSecret and DeleteSecret.
//
// The package imports no testing package, so that a program can link it.
package directtest

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/test/breakable"
)

// Account is the AWS account in the ARNs that a Server makes.
const Account = "123456789012"

// The credentials that Client signs with: the ones of AWS's own documentation. A
// Server accepts any.
const (
	AccessKeyID     = "AKIAIOSFODNN7EXAMPLE"
	SecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// Options are the settings of a Server. The zero value is the default.
type Options struct {
	// Region is where secrets are put by a plain name, and the one that Client
	// signs for. Empty: eu-west-1.
	Region string
}

// A Server is a Secrets Manager. Its methods may be called at any time, from any
// goroutine.
type Server struct {
	region string
	http   hidden.Of[*breakable.Server] // whose connections have buffers
	store  hidden.Of[*store]
	faults hidden.Of[*faults] // which have bodies of responses
	calls  calls
}

// Start listens on a free port of 127.0.0.1 and serves until Close. It fails only
// if there is no port to be had.
func Start(opts *Options) (*Server, error) {
	if opts == nil {
		opts = &Options{}
	}
	s := &Server{region: opts.Region, store: hidden.New(&store{}), faults: hidden.New(&faults{})}
	if s.region == "" {
		s.region = "eu-west-1"
	}
	server, err := breakable.Start(http.HandlerFunc(s.handle), nil)
	if err != nil {
		return nil, err
	}
	s.http = hidden.New(server)
	return s, nil
}

// URL returns the server's endpoint, such as http://127.0.0.1:40123. It stays the
// same across Break.
func (s *Server) URL() string { return s.http.Get().URL() }

// Region returns the region that secrets are put in by a plain name.
func (s *Server) Region() string { return s.region }

// Client returns a Secrets Manager client of the AWS SDK for this server, with
// the SDK's own defaults for everything but region, credentials and endpoint.
// opts change any of them.
func (s *Server) Client(opts ...func(*secretsmanager.Options)) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region:       s.region,
		BaseEndpoint: aws.String(s.URL()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey, Source: "directtest"}, nil
		}),
	}, opts...)
}

// Close ends every call and stops the server for good. Later calls do nothing.
func (s *Server) Close() { s.http.Get().Close() }
