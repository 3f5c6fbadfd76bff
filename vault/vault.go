// Package vault reads secrets from HashiCorp Vault through its official client: the
// KV engine by [New], whatever else can be read, leased secrets above all, by
// [NewReader].
//
// # Login
//
// A program stays logged in for as long as it lives, and nothing ticks for that: a
// token is got on first use, once for all who wait, renewed on use when a third of
// its time is left, and got anew before its end, by the wall clock and by the
// monotonic one, of which a frozen Lambda function stops the latter. After a 403 the
// program logs in once more, because a token can be revoked at any time, and asks
// once more; then the answer stands. For a minute thereafter another 403 is a reason
// to log in only if Vault knows the token no more. A login that is refused is tried
// again after a second, and later at longer intervals, of 30 s at most.
//
// # The client
//
// A [Provider] works on a copy of the client that it is given. The copy follows no
// redirect but to an address that it knows, because the client would send its token
// there; it reads no answer of more than 4 MiB; and its retries, and waits that an
// answer asks for, end with the call's limit. Request and response callbacks of the
// client are not kept. [NewClient] makes a client that fails sooner than the
// official default, and that knows several addresses.
//
// net/http prints bytes that arrive after the end of a response, which can be a part
// of a secret. If the client has an *http.Transport, the copy therefore has a
// transport and connections of its own, with the same dialer, TLS configuration,
// proxy and limits of idle connections; connections that are idle for 50 s are
// closed. The copy uses the client's own transport if that is of another type, or
// sets Dial, DialTLS, DisableKeepAlives, MaxConnsPerHost, ResponseHeaderTimeout,
// ProxyConnectHeader, GetProxyConnectHeader or OnProxyConnectResponse.
//
// # Failures
//
// 404 is ErrNotFound, 403 ErrDenied, 429 ErrThrottled. 400 and 405, which do not say
// why, are ErrRefused. A login that is refused, and a token that Vault does not
// know, are ErrUnauthenticated. A sealed server, a standby that cannot be passed
// over, any other answer, and none, are ErrUnavailable.
//
// The paths and answers are those of Vault's HTTP API documentation, developer.hashicorp.com/vault/api-docs.
package vault

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

const (
	source         = call.Source
	defaultMount   = "secret"
	defaultTimeout = 5 * time.Second
)

// Options are the settings of a Provider. The zero value is the default.
type Options struct {
	// Mount is the path at which the KV engine is mounted, with or without slashes
	// around it. Names are below it. While KV is 0, it may be a folder below the
	// mount. Empty: "secret".
	Mount string

	// KV is the version of the engine, 1 or 2. Zero: Vault is asked for it once,
	// before the first secret, which a token may do that can read anything there. Told,
	// Mount is taken as it is: it must be a mount, and no namespace.
	KV int

	// Auth logs in. Nil means the client's token, which is read for each call and
	// renewed on use if possible. A client of [NewClient] without a token uses that of
	// "vault login": see [ClientOptions].
	Auth api.AuthMethod

	// Timeout limits a Get, a login, the client's retries and what Retry-After asks
	// for included. Zero: 5 s. Negative: none but the caller's.
	Timeout time.Duration
}

// A Provider reads from a KV engine. Every read is fresh: there is no cache on the
// way.
type Provider struct {
	session *session
	timeout time.Duration
	told    *mount // as Options have it
	ask     bool   // for the engine's version

	mu      sync.Mutex
	pending *work[*mount]
	found   atomic.Pointer[mount]
}

var _ hush.Provider = (*Provider)(nil)

// New returns a Provider that asks through a copy of client. A nil opts is the
// default. New contacts nobody and does not fail: an option that cannot work is the
// answer of every Get, as ErrUnavailable.
func New(client *api.Client, opts *Options) *Provider {
	if client == nil {
		panic("vault: client is nil")
	}
	if opts == nil {
		opts = &Options{}
	}
	timeout := cmp.Or(opts.Timeout, defaultTimeout)
	p := &Provider{session: newSession(client, opts.Auth, timeout), timeout: timeout, ask: opts.KV == 0}
	path, err := checkMount(cmp.Or(opts.Mount, defaultMount))
	switch {
	case err != nil:
		p.session.fault = err
	case opts.KV < 0 || opts.KV > 2:
		p.session.fault = errKV
	}
	p.told = &mount{path: path, version: opts.KV}
	return p
}

// Get reads the secret that ref names below the mount. Its value is the secret's
// data as a JSON object whose keys are sorted; a Field is one of them.
//
// With KV v2, ref.Version is a number, and the Secret has the Version, Created, and
// as Metadata what Vault calls custom metadata; one that Vault will delete at a set
// time Expires then. KV v1 has no versions: to ask for one is ErrUnsupported, as any
// Stage is. A version that is deleted, destroyed or was never written is
// ErrNotFound, and the error says which.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
	}
	limited, cancel := limit.Context(ctx, p.timeout, "Vault")
	defer cancel()
	limited, x := route.WithStatusRecorder(limited)
	secret, err := p.read(limited, ref.Key())
	if err != nil {
		e := classify(ctx, limited, x, err)
		return hush.Secret{}, hush.NewError(source, ref, e.Class, e.Err)
	}
	return ref.Select(secret)
}
