// Package awsauth logs in to Vault as the AWS identity of the program, such as the role of
// a Lambda function or of an ECS task.
//
//	vault.Options{Auth: awsauth.New(&awsauth.Options{Role: "app"})}
//
// A login is a signed request to the AWS Security Token Service (STS) for the identity of
// the signer, GetCallerIdentity. The program sends this request to Vault. Vault sends it
// to AWS and trusts the response. No key leaves the process. Each login has a new
// signature, which is valid for minutes. Anyone who intercepts one could log in with it,
// too; Options.ServerID binds it to one Vault.
//
// Only this package links both Vault's client and the AWS SDK. It uses version 2 of the
// SDK. Vault's own helper links version 1. Credentials are found lazily, as package
// direct/awsdirect finds them.
//
// # Failures
//
// Login fails with [hush.ErrAbsent] if no AWS credentials are configured. It fails with
// [hush.ErrUnauthenticated] if the credentials or the options are not valid, and with
// [hush.ErrUnavailable] while the source of the credentials cannot be reached. Errors of
// Vault are returned unchanged; package vault classifies them. No error quotes a key, a
// header or a signature.
//
// # References
//
//   - Vault's API: https://developer.hashicorp.com/vault/api-docs/auth/aws#login
//   - GetCallerIdentity: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
//   - Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
package awsauth

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsconf"
	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/internal/call"
)

const (
	// credentialsTimeout limits the loading of the AWS configuration, and then the search
	// for credentials.
	credentialsTimeout = 3 * time.Second

	// signatureLifetime is the minimum time for which AWS accepts a signature.
	signatureLifetime = 5 * time.Minute
)

type method struct {
	opts     Options // without Credentials
	mount    string
	provided hidden.Of[aws.CredentialsProvider] // Options.Credentials
	sts      endpoint
	fault    error // an invalid option
	now      clock.Func
	found    *awsconf.Lazy[aws.CredentialsProvider]
}

var _ api.AuthMethod = (*method)(nil)

// New returns the login method of the AWS identity that opts describes. Nil opts means the
// defaults. New does not fail and does not look for credentials: if an option is invalid,
// each login fails.
func New(opts *Options) api.AuthMethod { return newMethod(opts, clock.New()) }

func newMethod(opts *Options, now clock.Func) *method {
	m := &method{now: now}
	if opts != nil {
		m.opts = *opts
	}
	m.mount, m.fault = m.opts.check()
	m.provided, m.opts.Credentials = hidden.New(m.opts.Credentials), nil
	if m.fault == nil {
		m.sts, m.fault = newEndpoint(m.opts.Region)
	}
	m.found = awsconf.NewLazy(m.opts.conf(), now, func(cfg aws.Config) aws.CredentialsProvider { return cfg.Credentials })
	return m
}

// Method returns the login method auth=aws for vault.Scheme. Its parameters are role,
// auth_mount (Options.Mount), server_id, region, profile, role_arn and external_id.
func Method() auth.Method {
	return auth.Method{
		Name:   "aws",
		Params: []string{"role", "auth_mount", "server_id", "region", "profile", "role_arn", "external_id"},
		Open: func(params map[string]string) (api.AuthMethod, error) {
			m := newMethod(&Options{
				Role: params["role"], Mount: params["auth_mount"], ServerID: params["server_id"], Region: params["region"],
				Profile: params["profile"], RoleARN: params["role_arn"], ExternalID: params["external_id"],
			}, clock.New())
			return m, m.fault
		},
	}
}

// Login signs a request and sends it to Vault. If a freeze lasted beyond the lifetime of
// the signature before Vault responded, Login repeats this once.
func (m *method) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	if m.fault != nil {
		return nil, call.Fail(hush.ErrUnauthenticated, m.fault)
	}
	for isRetry := false; ; isRetry = true {
		keys, err := m.keys(ctx)
		if err != nil {
			return nil, err
		}
		signedAt := m.now()
		secret, err := m.login(ctx, client, keys, signedAt.Time())
		if err == nil || isRetry || ctx.Err() != nil || m.now().Since(signedAt) < signatureLifetime {
			return secret, err
		}
	}
}

func (m *method) login(ctx context.Context, client *api.Client, keys aws.Credentials, at time.Time) (*api.Secret, error) {
	body, err := m.sts.signedRequest(ctx, keys, m.opts.ServerID, at)
	if err != nil {
		return nil, call.Fail(hush.ErrUnauthenticated, err)
	}
	if m.opts.Role != "" {
		body["role"] = m.opts.Role
	}
	return call.Login(ctx, client, m.mount, body)
}

// keys returns the keys to sign with. If ctx has ended, it returns the error of ctx, which
// the caller classifies.
func (m *method) keys(ctx context.Context) (aws.Credentials, error) {
	source, class, err := m.credentials(ctx)
	if err == nil {
		var keys aws.Credentials
		if keys, class, err = retrieve(ctx, source); err == nil {
			return keys, nil
		}
	}
	if ctx.Err() != nil {
		return aws.Credentials{}, ctx.Err()
	}
	return aws.Credentials{}, call.Fail(class, err)
}

func (m *method) credentials(ctx context.Context) (aws.CredentialsProvider, hush.Class, error) {
	if provided := m.provided.Get(); provided != nil {
		return provided, 0, nil
	}
	return m.found.Get(ctx, credentialsTimeout)
}

func retrieve(ctx context.Context, source aws.CredentialsProvider) (aws.Credentials, hush.Class, error) {
	limited, cancel := limit.Context(ctx, credentialsTimeout, "finding AWS credentials")
	defer cancel()
	keys, err := source.Retrieve(limited)
	switch {
	case err == nil && keys.HasKeys():
		return keys, 0, nil
	case err == nil:
		return keys, hush.ErrUnauthenticated, errors.New("the AWS credentials have no key")
	case limited.Err() == nil:
		class, cause := awsfault.Credentials(source, err)
		return keys, class, cause
	case awsfault.OnlyMetadata(source):
		return keys, hush.ErrAbsent, awsfault.ErrNoCredentials
	}
	class, cause, _ := limit.Cut(ctx, limited, 0)
	return keys, class, cause
}
