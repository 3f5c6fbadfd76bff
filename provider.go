// Package hush gives a program its secrets from whichever store is there.
//
// A program asks a [Provider] for a secret by name and never learns where the
// answer came from: the AWS Parameters and Secrets Lambda Extension, Secrets
// Manager, Vault, the environment, or a chain of them. Backends and decorators
// live in packages of their own; this one has the names that they share and
// imports the standard library alone.
//
// Four rules hold for every Provider here, and package providertest checks them:
//
//   - A failure has one class (see [ClassOf]), so that falling back, serving
//     stale and giving up are decisions.
//   - A secret is a [Value], which prints, logs and marshals as a mask. Reveal
//     is the only way to its text.
//   - A part of a [Ref] that a store cannot honour is [ErrUnsupported], never
//     ignored: ignoring it would be a wrong secret.
//   - No error quotes a secret, a token or a response body.
package hush

import (
	"context"
	"errors"
	"net/url"
)

// A Provider resolves secrets.
//
// Get returns the secret that ref names, or an error that [ClassOf] can place.
// Implementations must be safe for concurrent use, must call [Ref.Validate]
// before they act on a name, must answer [ErrUnsupported] for a part of ref
// that they cannot honour, and must apply ref.Field with [Ref.Select]. When ctx
// ends first they return [ErrCanceled] wrapping ctx.Err(), or the class of the
// last real answer that they had.
//
// A returned Secret is shared: neither side changes its Stages afterwards.
type Provider interface {
	Get(ctx context.Context, ref Ref) (Secret, error)
}

// A ProviderFunc is a function that serves as a Provider.
type ProviderFunc func(ctx context.Context, ref Ref) (Secret, error)

// Get calls f.
func (f ProviderFunc) Get(ctx context.Context, ref Ref) (Secret, error) { return f(ctx, ref) }

// Get parses ref as [ParseRef] does and asks p for it. A ref that does not parse
// is ErrInvalidRef and reaches no store.
func Get(ctx context.Context, p Provider, ref string) (Secret, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return Secret{}, err
	}
	return p.Get(ctx, r)
}

// A Scheme opens a Provider from a URL such as "env:?prefix=APP_". The packages
// of the backends each export one; a program links the schemes that it passes to
// its configuration and no others.
type Scheme struct {
	// Name is the URL's scheme, in lower case.
	Name string

	// Open returns the Provider that u describes, without contacting any store.
	// A parameter that the scheme does not know, or a value that cannot work, is
	// an error that says what is known. Open never accepts a credential in u.
	Open func(ctx context.Context, u *url.URL) (Provider, error)

	// Front names the scheme of a store that this one caches and cannot answer
	// more precisely than: "direct" for "extension". A chain that opens the two
	// one after the other asks the store before it believes the front's failure.
	// Empty: it fronts for nothing.
	Front string
}

// Static returns a Provider that returns the secrets of a copy of secrets, for tests
// and examples. It has no versions, and no stage but AWSCURRENT. Every read is fresh.
func Static(secrets map[string]string) Provider {
	held := make(static, len(secrets))
	for name, text := range secrets {
		held[name] = valueOf(text)
	}
	return held
}

// static holds Values, so that printing it shows names and no secret.
type static map[string]Value

func (m static) Get(ctx context.Context, ref Ref) (Secret, error) {
	const name = "static"
	if err := ref.Validate(); err != nil {
		return Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return Secret{}, NewError(name, ref, ErrCanceled, err)
	}
	if whole := ref.Key(); whole.Version != "" || whole.Stage != "" {
		return Secret{}, NewError(name, ref, ErrUnsupported, errors.New("it knows no versions and no stages"))
	}
	value, ok := m[ref.Name]
	if !ok {
		return Secret{}, NewError(name, ref, ErrNotFound, nil)
	}
	return ref.Select(Secret{Value: value, Source: name})
}
