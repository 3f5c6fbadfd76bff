package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

// Open opens the stores of c. The Provider has the cache in front of a chain of the
// stores. A single store has a chain too, because breakers and log lines belong to the
// chain. The URL of each store must have one of the schemes. Open does not change c.
// Nil c means the zero Config.
//
// A store whose scheme is a front (see hush.Scheme.Front) of the scheme of the next
// store becomes a front of that store. Several fronts may precede a store. Open contacts
// no store, so the outage of a store is a failure of Get and not of Open.
//
// With c.Verify, Open requests the secret VerifyName from all stores at the same time. If
// a provider has a method VerifyName() string, Open requests that name. The secret does
// not need to exist: ErrNotFound and ErrDenied show that a store works. Open fails if a
// store is unavailable or does not accept the credential, or if all stores are absent, as
// outside of AWS. The failure of a front counts only if its store is absent. The error
// has the class of the first failure. The limit of each request is the Timeout of the
// store, or 10 s.
//
// The error reports all mistakes in c and in the URLs, including those of [Load] or
// [FromEnv]. The Provider does not use ctx after Open has returned.
func Open(ctx context.Context, c *Config, schemes ...hush.Scheme) (*Provider, error) {
	if c == nil {
		c = &Config{}
	}
	o := &opening{checker: newChecker(*c), schemes: schemes}
	o.open(ctx)
	if err := o.problems.err(); err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o.provider(ctx)
}

// OpenEnv opens the stores that the environment of the process names. It is [FromEnv]
// and [Open].
func OpenEnv(ctx context.Context, schemes ...hush.Scheme) (*Provider, error) {
	return Open(ctx, fromEnviron(os.Environ(), "", nil).config(), schemes...)
}

// An opening is the state of Open.
type opening struct {
	*checker
	schemes []hush.Scheme
	opened  []OpenStore
	closers []io.Closer
}

// open opens the stores. With a mistake in one place, it looks for mistakes in the
// others.
func (o *opening) open(ctx context.Context) {
	o.check()
	if err := checkSchemes(o.schemes); err != nil {
		o.report("", err)
		return
	}
	if len(o.Providers) == 0 && !o.mayLackProviders() {
		o.report("", errors.New("no providers; set "+providersVariable+", or list them under providers in a configuration file"))
	}
	o.checkStoresOfNames()
	for _, s := range o.stores {
		o.report(providerKey(s.index), o.openStore(ctx, s))
	}
}

// mayLackProviders reports whether the list of providers may be empty because of a
// mistake in reading.
func (o *opening) mayLackProviders() bool {
	return slices.ContainsFunc(o.read.first, func(p *problem) bool { return p.key == "" || p.key == "providers" })
}

// checkStoresOfNames reports names in stores that do not exist. A name in a store with
// the name of a scheme is valid, because another configuration may have that store.
func (o *opening) checkStoresOfNames() {
	known := schemeNames(o.schemes)
	for _, s := range o.stores {
		if !slices.Contains(known, s.Name) {
			known = append(known, s.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Names)) {
		for _, store := range slices.Sorted(maps.Keys(o.Names[name])) {
			if isStoreName(store) && !slices.Contains(known, store) {
				key := "names." + name
				o.problems.add(o.places[key+"."+store], key, unknown("provider", store, known))
			}
		}
	}
}

func (o *opening) openStore(ctx context.Context, s parsedStore) error {
	scheme, err := findScheme(s.url.Scheme, o.schemes)
	if err != nil {
		return err
	}
	provider, err := scheme.Open(ctx, s.url)
	if err == nil && provider == nil {
		err = errors.New("Open of the scheme returned nil; return a Provider or an error")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	if c, ok := provider.(io.Closer); ok {
		o.closers = append(o.closers, c)
	}
	s.Policy = cmp.Or(s.Policy, o.Policy, PolicyAny)
	o.opened = append(o.opened, OpenStore{Store: s.Store, Scheme: scheme.Name, Provider: provider})
	return nil
}

// close closes the opened stores in reverse order.
func (o *opening) close() error {
	var errs []error
	for _, c := range slices.Backward(o.closers) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// provider puts the chain and the cache in front of the opened stores.
func (o *opening) provider(ctx context.Context) (*Provider, error) {
	o.assignFronts()
	o.rename()
	if o.Verify {
		if err := verifyAll(ctx, o.opened); err != nil {
			return nil, errors.Join(err, o.close())
		}
	}
	logger := o.logger()
	p := &Provider{stores: o.opened, closeStores: o.close}
	links := make([]chain.Link, len(p.stores))
	for i, s := range p.stores {
		links[i] = chain.Link{
			Name: s.Name, Provider: s.Provider, Timeout: s.Timeout, Front: s.Front != "", Policy: s.Policy.chainPolicy(),
		}
	}
	p.chain = chain.New(links, &chain.Options{Breaker: o.Breaker, Logger: logger, OnCall: o.OnCall})
	p.top = p.chain
	if ttl := cmp.Or(o.CacheTTL, 5*time.Minute); ttl > 0 {
		p.cache = cachettl.New(p.chain, ttl, o.cacheOptions(logger))
		p.top = p.cache
	}
	return p, nil
}

// assignFronts finds the store of each front.
func (o *opening) assignFronts() {
	fronts := map[string]string{}
	for _, s := range o.schemes {
		fronts[s.Name] = s.Front
	}
	var store *OpenStore
	for i := range slices.Backward(o.opened) {
		s := &o.opened[i]
		if store != nil && fronts[s.Scheme] == store.Scheme {
			s.Front = store.Name
		} else {
			store = s
		}
	}
}
