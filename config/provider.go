package config

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

// A Provider is an open Config. It returns secrets from the cache, or calls the stores in
// order. It is safe for concurrent use.
type Provider struct {
	stores      []OpenStore
	chain       *chain.Chain
	cache       *cachettl.Cache // nil if it is disabled
	top         hush.BatchProvider
	closed      atomic.Bool
	closeStores func() error
}

var _ hush.BatchProvider = (*Provider)(nil)

// An OpenStore is a Store that Open has opened.
type OpenStore struct {
	// Store has its Name and its Policy. Its URL has no credential and no link_
	// parameters.
	Store

	// Scheme is the name of the scheme.
	Scheme string

	// Front is the name of the store that this store is a front of. Empty means that
	// this store is not a front.
	Front string

	// Provider calls this store alone, with the program's names. It has no Timeout, no
	// breaker and no cache.
	Provider hush.Provider
}

const source = "config"

var errClosed = errors.New("the provider is closed")

// Get returns the secret that ref names. Its errors are those of chain.Chain and
// cachettl.Cache. After Close, each Get fails with ErrUnavailable.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if p.closed.Load() {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnavailable, errClosed)
	}
	return p.top.Get(ctx, ref)
}

// GetBatch returns one result for each of refs, as Get does.
func (p *Provider) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	if !p.closed.Load() {
		return p.top.GetBatch(ctx, refs)
	}
	results := make([]hush.Result, len(refs))
	for i, ref := range refs {
		_, results[i].Err = p.Get(ctx, ref)
	}
	return results
}

// GetDerived returns the value that derive computes from the secret that ref names. The
// cache keeps the value with the secret; see [cachettl.Cache.GetDerived]. Without a cache,
// GetDerived calls derive each time.
func (p *Provider) GetDerived(ctx context.Context, ref hush.Ref, key any, derive func(hush.Secret) any) (any, error) {
	if p.cache != nil && !p.closed.Load() {
		return p.cache.GetDerived(ctx, ref, key, derive)
	}
	secret, err := p.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return derive(secret), nil
}

// Forget removes the secrets of refs from the cache, or all secrets if there are no refs.
// Without a cache it does nothing.
func (p *Provider) Forget(refs ...hush.Ref) {
	if p.cache != nil {
		p.cache.Forget(refs...)
	}
}

// Close closes the cache, which ends its fetches, and then each store that is an
// io.Closer, in reverse order. It returns their errors. A second Close does nothing.
func (p *Provider) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	if p.cache != nil {
		_ = p.cache.Close() // always returns nil
	}
	return p.closeStores()
}

// Stores returns the stores in the order in which they are called.
func (p *Provider) Stores() []OpenStore { return slices.Clone(p.stores) }

// Chain returns the chain of the stores. It has no cache.
func (p *Provider) Chain() *chain.Chain { return p.chain }

// Cache returns the cache, or nil if it is disabled.
func (p *Provider) Cache() *cachettl.Cache { return p.cache }
