// Package awsauth logs in to Vault as the AWS identity that the program runs with:
// a Lambda function's role, a task's, a user's.
//
// A login is a signed request to AWS's token service (STS) that asks who signed it,
// GetCallerIdentity. It is not sent to AWS but to Vault, which sends it on and
// believes AWS's answer. No key leaves the process, each login signs anew, and a
// signature serves for minutes. Whoever reads one on its way could log in with it
// as well: Options.ServerID binds it to one Vault.
//
// This is the one package that links both Vault's client and the AWS SDK, which is
// version 2; the SDK that Vault's own helper links is not. Credentials are found as
// direct/awsdirect finds them, lazily. A login without any is [hush.ErrAbsent]; with
// some that cannot be used or options that cannot work it is
// [hush.ErrUnauthenticated], and while the source of credentials cannot be reached
// it is [hush.ErrUnavailable]. What Vault answers is its client's error. No error of
// this package quotes a key, a header or a signature.
//
// The sources of what is sent: for its form, Vault's API of the AWS auth method
// (https://developer.hashicorp.com/vault/api-docs/auth/aws#login); for its content,
// AWS's documentation of GetCallerIdentity
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html)
// and of Signature Version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
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
)

const (
	defaultMount = "aws"

	// findTimeout limits the loading of the configuration, and then the finding of
	// credentials.
	findTimeout = 3 * time.Second

	// lifetime is how long AWS accepts a signature at least.
	lifetime = 5 * time.Minute
)

// Metadata says when the EC2 instance metadata service may be asked for
// credentials that are configured nowhere else.
type Metadata = awsconf.Metadata

// The choices. AWS_EC2_METADATA_DISABLED=true is never, whatever is chosen.
const (
	// MetadataAuto: if the machine says that it is an EC2 instance, by what Linux
	// shows of its firmware. Other systems do not say.
	MetadataAuto = awsconf.MetadataAuto
	// MetadataOn: always.
	MetadataOn = awsconf.MetadataOn
	// MetadataOff: never.
	MetadataOff = awsconf.MetadataOff
)

// Options are the settings of a login. The zero value is the default.
type Options struct {
	// Role is the role of Vault's auth method to log in to. Empty: the one with the
	// name of the IAM role or user that logs in.
	Role string

	// Mount is the path of the auth method, without auth/. Empty: "aws".
	Mount string

	// ServerID is sent as the header X-Vault-AWS-IAM-Server-ID and signed with the
	// rest. It is what the auth method's iam_server_id_header_value says, and keeps
	// another Vault that was logged in to from using the login for this one. Empty:
	// none, which an auth method with that setting refuses.
	ServerID string

	// Region is whose STS the request is for; Vault has to ask the same one. Empty:
	// the global one of AWS's public regions, sts.amazonaws.com, which is what an
	// auth method asks unless its sts_endpoint says otherwise. With a Region that
	// setting is https://sts.<region>.amazonaws.com, or use_sts_region_from_client is
	// true. The regions of China and GovCloud have no other; one such as
	// us-east-1-fips means the FIPS endpoint, https://sts-fips.us-east-1.amazonaws.com.
	//
	// It is also where RoleARN is assumed. Empty: AWS_REGION, what the profile says,
	// or us-east-1.
	Region string

	// Profile is the section of the shared AWS files to use, which then goes before
	// credentials in the environment. Empty: AWS_PROFILE, or default.
	Profile string

	// RoleARN is an IAM role to assume with the credentials that are found, and to
	// log in as. Empty: none but what the profile says.
	RoleARN string

	// ExternalID is what that role's policy may ask for. It needs a RoleARN.
	ExternalID string

	// Credentials are asked for the keys of each login, and exclude Profile, RoleARN,
	// ExternalID and InstanceMetadata. Nil: those of the environment, the shared
	// files, a container or a web identity, found at the first login and kept until
	// they expire.
	//
	// Options print and marshal without it, and the method hides it. Printers that
	// ignore methods, such as those of test diffs, show the keys of a static provider
	// of the SDK; aws.CredentialsProviderFunc(p.Retrieve) is a provider that hides them.
	Credentials aws.CredentialsProvider `json:"-" xml:"-" yaml:"-"`

	// InstanceMetadata says when the EC2 instance metadata service is asked.
	InstanceMetadata Metadata
}

type method struct {
	opts   Options // without Credentials
	given  hidden.Of[aws.CredentialsProvider]
	sts    endpoint
	fault  error // an option that cannot work
	now    clock.Func
	source *awsconf.Lazy[aws.CredentialsProvider]
}

var _ api.AuthMethod = (*method)(nil)

// New returns the method of the AWS identity that opts describes. A nil opts is the
// default. New does not fail and looks for nothing: an option that cannot work is
// the answer of every login.
func New(opts *Options) api.AuthMethod { return newMethod(opts, clock.New()) }

func newMethod(opts *Options, now clock.Func) *method {
	m := &method{now: now}
	if opts != nil {
		m.opts = *opts
	}
	m.fault = m.opts.check()
	m.given, m.opts.Credentials = hidden.New(m.opts.Credentials), nil
	if m.fault == nil {
		m.sts, m.fault = endpointOf(m.opts.Region)
	}
	m.source = awsconf.NewLazy(m.opts.conf(), now, func(cfg aws.Config) aws.CredentialsProvider { return cfg.Credentials })
	return m
}

// Login signs a request and sends it to Vault. If a freeze outlived the signature
// before Vault answered, it does so once more.
func (m *method) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	if m.fault != nil {
		return nil, unable(hush.ErrUnauthenticated, m.fault)
	}
	for last := false; ; last = true {
		keys, err := m.keys(ctx)
		if err != nil {
			return nil, err
		}
		signed := m.now()
		secret, err := m.login(ctx, client, keys, signed.Time())
		if err == nil || last || ctx.Err() != nil || m.now().Since(signed) < lifetime {
			return secret, err
		}
	}
}

// login sends no token, whatever client has: a login needs none. Its answer is not
// wrapped, which VAULT_WRAP_TTL would ask for.
func (m *method) login(ctx context.Context, client *api.Client, keys aws.Credentials, at time.Time) (*api.Secret, error) {
	body, err := m.sts.payload(ctx, keys, m.opts.ServerID, at)
	if err != nil {
		return nil, unable(hush.ErrUnauthenticated, err)
	}
	if m.opts.Role != "" {
		body["role"] = m.opts.Role
	}
	client = client.WithRequestCallbacks(func(r *api.Request) { r.ClientToken, r.WrapTTL = "", "" })
	return client.Logical().WriteWithContext(ctx, "auth/"+m.opts.mount()+"/login", body)
}

// keys returns the keys to sign with. The end of ctx is for the caller to judge, who
// knows whose limit it was.
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
	return aws.Credentials{}, unable(class, err)
}

func (m *method) credentials(ctx context.Context) (aws.CredentialsProvider, hush.Class, error) {
	if given := m.given.Get(); given != nil {
		return given, 0, nil
	}
	return m.source.Get(ctx, findTimeout)
}

func retrieve(ctx context.Context, source aws.CredentialsProvider) (aws.Credentials, hush.Class, error) {
	limited, cancel := limit.Context(ctx, findTimeout, "finding AWS credentials")
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

// unable is an answer of our own, before Vault had one.
func unable(class hush.Class, cause error) error {
	return hush.NewError("vault", hush.Ref{}, class, cause)
}
