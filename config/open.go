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

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

// Open opens the stores of c, which may be of these schemes and of no other, as one
// Provider: the cache, if it is on, in front of a chain of the links, even of one, so
// that it has its breaker and its log lines. A nil c is the zero Config.
//
// A link whose scheme fronts for that of the store after it (see hush.Scheme.Front)
// is that store's front, and so are several in a row; it is asked for the names of
// its store. Opening contacts nobody: a store that is away is the failure of a Get,
// not of Open.
//
// With c.Verify it asks every link once, and at once, for the secret VerifyName,
// which need not be there. A provider that would not ask its store about that name
// says which is better by a method VerifyName() string. That a store has no such
// secret, or that it may not be read, is an answer. Open fails if a store is
// unavailable or does not accept our credential, or if all are absent, as outside of
// AWS; a front's failure is none while its store is not absent. The error has the
// class of the first such failure. A link without a Timeout has 10 s for it.
//
// All that is wrong with c, and with the URLs of its links, is told at once. ctx is
// for opening, and not for the life of the Provider.
func Open(ctx context.Context, c *Config, schemes ...hush.Scheme) (*Provider, error) {
	return newDraft(c).open(ctx, schemes)
}

// OpenFile is Load and Open, which tell what is wrong for both at once.
func OpenFile(ctx context.Context, path string, schemes ...hush.Scheme) (*Provider, error) {
	return load(path).open(ctx, schemes)
}

// OpenEnv is FromEnv and Open, which tell what is wrong for both at once.
func OpenEnv(ctx context.Context, schemes ...hush.Scheme) (*Provider, error) {
	return OpenEnvText(ctx, "", nil, schemes...)
}

// OpenEnvText is FromEnvText and Open. Its error reports the problems of both.
func OpenEnvText(ctx context.Context, path string, text []byte, schemes ...hush.Scheme) (*Provider, error) {
	return fromEnviron(os.Environ(), path, text).open(ctx, schemes)
}

// open tells all that is wrong, or opens the links.
func (d *draft) open(ctx context.Context, schemes []hush.Scheme) (*Provider, error) {
	d.check()
	o := &opening{draft: d, schemes: schemes, links: d.checkLinks(&problems{})}
	o.open(ctx)
	if err := d.problems.err(); err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o.provider(ctx)
}

// An opening is the work of Open.
type opening struct {
	*draft
	schemes []hush.Scheme
	links   []resolved
	opened  []OpenStore
	closers []io.Closer
}

func (o *opening) problem(key string, err error) {
	o.problems.add(o.places[key], key, err)
}

func (o *opening) open(ctx context.Context) {
	if err := checkSchemes(o.schemes); err != nil {
		o.problem("", err)
		return
	}
	if len(o.Providers) == 0 && !o.unread() {
		o.problem("", errors.New("no providers: name one at least under providers in a file or in "+providersVariable))
	}
	o.checkNames()
	for _, l := range o.links {
		scheme, err := o.scheme(l)
		if err != nil {
			o.problem(linkKey(l.place), err)
			continue
		}
		provider, err := scheme.Open(ctx, l.url)
		if err == nil && provider == nil {
			err = errors.New("the scheme opened nothing")
		}
		if err != nil {
			o.problem(linkKey(l.place), fmt.Errorf("%s: %w", l.Name, err))
			continue
		}
		if c, ok := provider.(io.Closer); ok {
			o.closers = append(o.closers, c)
		}
		o.opened = append(o.opened, OpenStore{Store: l.Store, Scheme: scheme.Name, Provider: provider})
	}
}

// unread reports whether what is wrong may be why there are no providers.
func (o *opening) unread() bool {
	return slices.ContainsFunc(o.problems.told, func(p *problem) bool { return p.key == "" || p.key == "providers" })
}

// checkSchemes returns what is wrong with what the program passed.
func checkSchemes(schemes []hush.Scheme) error {
	seen := map[string]bool{}
	for _, s := range schemes {
		switch {
		case s.Name == "" || s.Open == nil:
			return errors.New("the program passes a scheme without a name or without an Open")
		case seen[s.Name]:
			return fmt.Errorf("the program passes two schemes called %q", s.Name)
		}
		seen[s.Name] = true
	}
	return nil
}

func (o *opening) scheme(l resolved) (hush.Scheme, error) {
	known := schemeNames(o.schemes)
	if i := slices.Index(known, l.url.Scheme); i >= 0 {
		return o.schemes[i], nil
	}
	return hush.Scheme{}, unknownScheme(l.url.Scheme, known)
}

func schemeNames(schemes []hush.Scheme) []string {
	names := make([]string, len(schemes))
	for i, s := range schemes {
		names[i] = s.Name
	}
	return names
}

// checkNames reports names for links that are not there. That of a scheme may stand
// for a link that is configured elsewhere.
func (o *opening) checkNames() {
	known := schemeNames(o.schemes)
	for _, l := range o.links {
		if !slices.Contains(known, l.Name) {
			known = append(known, l.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Names)) {
		for _, link := range slices.Sorted(maps.Keys(o.Names[name])) {
			if isLinkName(link) && !slices.Contains(known, link) {
				key := "names." + name
				o.problems.add(o.places[key+"."+link], key, unknown("link", link, known))
			}
		}
	}
}

// close closes what was opened, the last first.
func (o *opening) close() error {
	var errs []error
	for _, c := range slices.Backward(o.closers) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// provider puts what was opened together.
func (o *opening) provider(ctx context.Context) (*Provider, error) {
	o.front()
	o.rename()
	if o.Verify {
		if err := verifyAll(ctx, o.opened); err != nil {
			return nil, errors.Join(err, o.close())
		}
	}
	c, logger := o.withDefaults(), o.logger()
	for i := range o.opened {
		o.opened[i].Policy = cmp.Or(o.opened[i].Policy, c.Policy)
	}
	p := &Provider{links: o.opened, closeLinks: o.close}
	links := make([]chain.Link, len(p.links))
	for i, l := range p.links {
		links[i] = chain.Link{
			Name: l.Name, Provider: l.Provider, Timeout: l.Timeout, Front: l.Front != "", Policy: l.Policy.policy(),
		}
	}
	p.chain = chain.New(links, &chain.Options{
		Policy: c.Policy.policy(), Breaker: c.Breaker.options(), Logger: logger, OnCall: o.OnCall,
	})
	p.top = p.chain
	if ttl := *c.Cache.TTL; ttl > 0 {
		p.cache = cachettl.New(p.chain, ttl, c.cacheOptions(logger))
		p.top = p.cache
	}
	return p, nil
}

// front finds the fronts, from the end: each is before the store that it is for.
func (o *opening) front() {
	fronts := map[string]string{}
	for _, s := range o.schemes {
		fronts[s.Name] = s.Front
	}
	var store *OpenStore
	for i := range slices.Backward(o.opened) {
		l := &o.opened[i]
		if store != nil && fronts[l.Scheme] == store.Scheme {
			l.Front = store.Name
		} else {
			store = l
		}
	}
}
