// Package vault reads secrets from HashiCorp Vault through its official client. [New]
// reads a KV engine. [NewReader] reads any other path, in particular leased secrets
// such as database users.
//
//	client, err := vault.NewClient(nil) // VAULT_ADDR and the other variables
//	if err != nil {
//		return err
//	}
//	p := vault.New(client, &vault.Options{Auth: auth.Kubernetes("app", nil)})
//	password, err := hush.Get(ctx, p, "db/prod#password")
//
// # Login
//
// A provider logs in on first use, with a method of package vault/auth. It renews its
// token on use once two thirds of the TTL have passed, and logs in again shortly before
// the token expires. No background goroutine is involved. A token expires when either
// the wall clock or the monotonic clock says so, because the monotonic clock stops in a
// frozen Lambda function.
//
// A token can be revoked at any time. After a 403, the provider therefore logs in once
// and repeats the read; the second response is final. For the next minute, another 403
// triggers a login only if Vault no longer recognizes the token. If a login is refused,
// the next one waits for 1 s, then for twice as long, up to 30 s.
//
// # The client
//
// A provider uses a copy of its client. The copy follows redirects only to addresses
// that it knows, because the client would send its token with the request. It rejects
// responses above 4 MiB. Its retries, and its waits for a Retry-After, end with the
// timeout of the call. It does not keep the client's request and response callbacks.
// [NewClient] returns a client that fails sooner than the official default and that can
// have several addresses.
//
// If the client has an *http.Transport, the copy has its own transport and connections.
// The reason is that net/http prints bytes that follow the end of a response, and these
// can be part of a secret. The dialer, TLS configuration, proxy and limits of idle
// connections stay the same; a connection that is idle for 50 s is closed. The copy
// keeps a transport of another type, and one that sets Dial, DialTLS,
// DisableKeepAlives, MaxConnsPerHost, ResponseHeaderTimeout, ProxyConnectHeader,
// GetProxyConnectHeader or OnProxyConnectResponse.
//
// # Failures
//
//	404                                        ErrNotFound
//	403                                        ErrDenied
//	429                                        ErrThrottled
//	400, 405 (Vault does not say why)          ErrRefused
//	a refused login, an unknown token          ErrUnauthenticated
//	a sealed server, any other status,
//	no response                                ErrUnavailable
//
// The API is documented at https://developer.hashicorp.com/vault/api-docs.
package vault

import (
	"cmp"
	"context"
	"errors"
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

// Options are the settings of a Provider.
type Options struct {
	// Mount is the path at which the KV engine is mounted, with or without slashes
	// around it. Names are relative to it. If KV is 0, Mount may also be a folder below
	// the mount. Empty means "secret".
	Mount string

	// KV is the version of the engine, 1 or 2. Zero means that the provider asks Vault
	// once, before the first read. A token may do that if it can read anything at the
	// mount. If KV is not 0, Mount must be the mount itself, without a namespace.
	KV int

	// Auth is the login method, such as one of package vault/auth. Nil means the client's
	// token, which the provider reads for each call and renews on use if possible. A
	// client of [NewClient] without a token uses the token of "vault login": see
	// ClientOptions.Token.
	Auth api.AuthMethod

	// Timeout limits a Get, including a login, retries and waits for a Retry-After. Zero
	// means 5 s. A negative value means no timeout.
	Timeout time.Duration
}

// A Provider reads from a KV engine. It does not cache: each read is fresh.
type Provider struct {
	session    *session
	configured *engine // version 0 means that Vault is asked

	mu         sync.Mutex
	discovery  *flight[*engine]
	discovered atomic.Pointer[engine]
}

var _ hush.Provider = (*Provider)(nil)

// New returns a Provider that uses a copy of client. Nil opts means the defaults. New
// contacts no store and does not fail: if an option is invalid, each Get fails with
// ErrUnavailable.
func New(client *api.Client, opts *Options) *Provider {
	if opts == nil {
		opts = &Options{}
	}
	p := &Provider{session: newSession(client, opts.Auth, opts.Timeout)}
	mount, err := checkMount(cmp.Or(opts.Mount, defaultMount))
	if opts.KV < 0 || opts.KV > 2 {
		err = errors.New("invalid version of the KV engine: use 1, 2, or 0 to ask Vault")
	}
	p.session.reject(err)
	p.configured = newEngine(mount, "", opts.KV)
	return p
}

// Get reads the secret with the name of ref below the mount. Its value is the secret's
// data as a JSON object with sorted keys, so that a Field is one of the keys.
//
// With KV v2, ref.Version is a number. The Secret has a Version, a Created time and, as
// Metadata, Vault's custom metadata. It Expires if Vault will delete the version at a
// set time. With KV v1, a Version is ErrUnsupported. A Stage is always ErrUnsupported. A
// version that is deleted, destroyed or was never written is ErrNotFound, and the error
// says which.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	return p.session.call(ctx, ref, p.read)
}

// call reads ref with the timeout of a call, and returns an error with its class.
func (s *session) call(ctx context.Context, ref hush.Ref, read func(context.Context, hush.Ref) (hush.Secret, error)) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
	}
	if s.fault != nil {
		return hush.Secret{}, hush.NewError(source, ref, s.fault.Class, s.fault.Err)
	}
	limited, cancel := limit.Context(ctx, s.timeout, "Vault")
	defer cancel()
	limited, statuses := route.WithStatusRecorder(limited)
	secret, err := read(limited, ref)
	if err != nil {
		e := classify(ctx, limited, statuses, err)
		return hush.Secret{}, hush.NewError(source, ref, e.Class, e.Err)
	}
	return ref.Select(secret)
}
