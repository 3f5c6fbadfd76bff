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

// A Provider is what Open opened: a hush.Provider that asks the links in order, from
// memory first if the cache is on. It is safe for concurrent use.
type Provider struct {
	links      []OpenStore
	chain      *chain.Chain
	cache      *cachettl.Cache
	top        hush.BatchProvider
	closed     atomic.Bool
	closeLinks func() error
}

var _ hush.BatchProvider = (*Provider)(nil)

// An OpenStore is a link as Open opened it.
type OpenStore struct {
	// Store is the configured store. Its Name and its Policy are set. Its URL has no
	// credential and no link_ parameters.
	Store

	// Scheme is the URL's.
	Scheme string

	// Front is the name of the link whose store it fronts for. Empty: it is a store.
	Front string

	// Provider asks this link alone, by the program's names, without the Timeout,
	// the breaker and the cache.
	Provider hush.Provider
}

const source = "config"

var errClosed = errors.New("the provider is closed")

// Get returns the secret that ref names. Its errors are those of chain.Chain and, with
// a cache, of cachettl.Cache; after Close all is ErrUnavailable.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if p.closed.Load() {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnavailable, errClosed)
	}
	return p.top.Get(ctx, ref)
}

// GetBatch answers each of refs as Get does.
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

// GetDerived returns what derive makes of the secret that ref names, as
// [cachettl.Cache.GetDerived] does. Without a cache it calls derive each time.
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

// Forget drops what the cache holds for refs, or all that it holds if there are none.
// Without a cache it does nothing.
func (p *Provider) Forget(refs ...hush.Ref) {
	if p.cache != nil {
		p.cache.Forget(refs...)
	}
}

// Close drops what the cache holds, ends its fetches, and closes what the schemes
// opened that is an io.Closer, the last first. It returns their errors, joined, and
// does nothing the second time.
func (p *Provider) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	if p.cache != nil {
		_ = p.cache.Close() // which always returns nil
	}
	return p.closeLinks()
}

// Stores returns the links in the order in which they are asked.
func (p *Provider) Stores() []OpenStore { return slices.Clone(p.links) }

// Chain returns the chain of the links, which no cache is in front of.
func (p *Provider) Chain() *chain.Chain { return p.chain }

// Cache returns the cache, nil if it is off.
func (p *Provider) Cache() *cachettl.Cache { return p.cache }
