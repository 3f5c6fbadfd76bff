package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/suggest"
)

// maxProviders limits the number of stores.
const maxProviders = 64

// A checker finds the mistakes in a Config, whatever it was read from.
type checker struct {
	Config
	stores   []parsedStore // whose URLs are valid
	places   map[string]place
	read     problems // the problems of reading the Config
	problems problems // all problems
}

func newChecker(c Config) *checker {
	check := &checker{Config: c}
	if c.origin != nil {
		check.places, check.read = c.origin.placesIn(c.Providers), c.origin.problems
	}
	check.problems = check.read
	check.problems.first = slices.Clone(check.read.first)
	return check
}

// report adds a problem with a key, unless reading the key has failed.
func (c *checker) report(key string, err error) {
	if at := c.places[key]; !c.read.has(key, at.source) {
		c.problems.add(at, key, err)
	}
}

// check finds all mistakes that can be found without the schemes.
func (c *checker) check() {
	c.problems.add(place{}, "policy", isPolicy(c.Policy)) // reading refuses an invalid one
	c.problems.add(place{}, "log.level", isLevel(c.LogLevel))
	const defaultWait = time.Second
	if wait := cmp.Or(c.Breaker.Wait, defaultWait); 0 < c.Breaker.MaxWait && c.Breaker.MaxWait < wait {
		c.report("breaker.max_wait", fmt.Errorf("must not be less than breaker.wait, which is %s", wait))
	}
	c.parseStores()
	for i, s := range c.stores {
		for _, other := range c.stores[:i] {
			if err := c.conflict(s, other); err != nil {
				c.report(providerKey(s.index), err)
				break
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Names)) {
		c.checkName(name)
	}
}

// providerKey is the key of a provider in problems. People count from 1.
func providerKey(index int) string { return fmt.Sprintf("provider %d", index+1) }

func (c *checker) parseStores() {
	if len(c.Providers) > maxProviders {
		c.report("providers", fmt.Errorf("must not have more than %d entries", maxProviders))
	}
	for i, s := range c.Providers[:min(len(c.Providers), maxProviders)] {
		p, err := s.parse()
		p.index = i
		c.report(providerKey(i), err)
		if p.url != nil {
			c.stores = append(c.stores, p)
		}
	}
}

// conflict returns why s cannot be configured together with other, which precedes it.
func (c *checker) conflict(s, other parsedStore) error {
	if !s.valid || !other.valid {
		return nil
	}
	same := s.id == other.id && s.Prefix == other.Prefix
	switch {
	case s.Name == other.Name && same:
		return fmt.Errorf("%s is also provider %d; remove one of them", s.Name, other.index+1)
	case s.Name == other.Name:
		return fmt.Errorf("provider %d is also called %s; add link_name=other to the URL of one of them", other.index+1, s.Name)
	case same && !c.hasNames(s.Name) && !c.hasNames(other.Name):
		return fmt.Errorf("%s is also provider %d, called %s; remove one of them", s.Name, other.index+1, other.Name)
	}
	return nil
}

// hasNames reports whether the store has an entry in Names.
func (c *checker) hasNames(store string) bool {
	for _, byStore := range c.Names {
		if _, ok := byStore[store]; ok {
			return true
		}
	}
	return false
}

func (c *checker) checkName(name string) {
	key := "names." + name
	if err := hush.Name(name).Validate(); err != nil {
		c.report(key, err)
		return
	}
	if len(c.Names[name]) == 0 {
		c.report(key, errors.New("must have the name in one provider at least, as in {env: ORDERS_DB}"))
	}
	for _, store := range slices.Sorted(maps.Keys(c.Names[name])) {
		if !isStoreName(store) {
			c.report(key, fmt.Errorf("invalid name %s of a provider; use 1 to 64 letters, digits and + . - _", suggest.Quote(store, nil)))
			continue
		}
		_, err := parseAlias(c.Names[name][store])
		c.report(key+"."+store, err)
	}
}

// parseAlias parses a reference in Names. Its error does not quote the reference, which
// may be a secret in the wrong place.
func parseAlias(text string) (hush.Ref, error) {
	ref, err := hush.ParseRef(text)
	if err != nil {
		return ref, hush.NewError("", hush.Ref{}, hush.ErrInvalidRef, errors.New("write name or name#field, with %3F for ? and %23 for # in a name"))
	}
	if ref.Version != "" || ref.Stage != "" {
		return ref, errors.New("must not have a version or a stage; the program requests these")
	}
	return ref, nil
}
