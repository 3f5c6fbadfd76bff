// Package hush reads secrets from whichever store is available: the AWS Parameters
// and Secrets Lambda Extension, AWS Secrets Manager, HashiCorp Vault or the
// environment.
//
// A program calls [Get] on a [Provider] with the name of a secret. The program does
// not depend on the store, because each store is a Provider in a package of its
// own. Package chain falls back from one Provider to the next, package cachettl
// caches secrets in memory, and package config builds all of this from
// configuration. This package defines the types that they share. It imports only
// the standard library.
//
// Every Provider follows four rules, which package providertest checks:
//
//   - Every error has exactly one class, which [ClassOf] returns. The class decides
//     whether a chain falls back and whether a cache serves a stale secret.
//   - A secret is a [Value]. A Value prints, logs and marshals as a mask; only its
//     Reveal methods return the text.
//   - If a store does not support a part of a [Ref], Get fails with
//     [ErrUnsupported]. It never ignores the part, because it would then return
//     the wrong secret.
//   - No error contains a secret, a token or a response body.
package hush

import (
	"context"
	"errors"
	"net/url"
)

// A Provider reads secrets from a store. It is safe for concurrent use.
//
// Get returns the secret that ref names, or an error with a class. An
// implementation does the following:
//
//   - It calls [Ref.Validate] before it uses a name.
//   - It returns [ErrUnsupported] for a part of ref that the store does not support.
//   - It selects ref.Field with [Ref.Select].
//   - If ctx ends first, it returns [ErrCanceled] and wraps ctx.Err(). If an
//     earlier attempt of the same call has failed, it may return that failure
//     instead.
//
// Callers share the returned Secret: neither the caller nor the Provider changes its
// Stages or its Metadata.
type Provider interface {
	Get(ctx context.Context, ref Ref) (Secret, error)
}

// A ProviderFunc is a function that implements [Provider].
type ProviderFunc func(ctx context.Context, ref Ref) (Secret, error)

// Get calls f.
func (f ProviderFunc) Get(ctx context.Context, ref Ref) (Secret, error) { return f(ctx, ref) }

// Get parses ref with [ParseRef] and reads the secret from p. If ref is malformed,
// Get fails with [ErrInvalidRef] and does not call p.
func Get(ctx context.Context, p Provider, ref string) (Secret, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return Secret{}, err
	}
	return p.Get(ctx, r)
}

// A Scheme opens a Provider from a URL such as "env:?prefix=APP_". The package of
// each store exports one. A program links only the stores whose schemes it passes
// to package config.
type Scheme struct {
	// Name is the URL's scheme, in lower case.
	Name string

	// Open returns the Provider that u describes. It sends no request. An unknown
	// parameter or an invalid value is an error that lists what is valid. Open
	// accepts no credential in u.
	Open func(ctx context.Context, u *url.URL) (Provider, error)

	// Front is the scheme of the store that this one is a cache for: "direct" for
	// "extension". If a chain has the front and then the store, it calls the store
	// before it accepts a failure of the front. Empty means that this store is not
	// a front.
	Front string
}

// Static returns a Provider for tests and examples. It serves a copy of secrets, a
// map from name to text. It supports no versions, and no stage except AWSCURRENT.
// Every read is fresh.
func Static(secrets map[string]string) Provider {
	s := make(static, len(secrets))
	for name, text := range secrets {
		s[name] = valueOf(text)
	}
	return s
}

// static holds Values, so that a printed static shows no secret.
type static map[string]Value

func (m static) Get(ctx context.Context, ref Ref) (Secret, error) {
	const source = "static"
	if err := ref.Validate(); err != nil {
		return Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return Secret{}, NewError(source, ref, ErrCanceled, err)
	}
	if key := ref.Key(); key.Version != "" || key.Stage != "" {
		return Secret{}, NewError(source, ref, ErrUnsupported, errors.New("static secrets have no versions and no stages"))
	}
	value, ok := m[ref.Name]
	if !ok {
		return Secret{}, NewError(source, ref, ErrNotFound, nil)
	}
	return ref.Select(Secret{Value: value, Source: source})
}
