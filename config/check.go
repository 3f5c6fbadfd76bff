package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/suggest"
)

// check returns what is wrong with c, whatever form it came in. Which schemes there
// are it does not ask. The problems have keys and no places.
func (c *Config) check() *problems {
	ps := &problems{}
	for _, s := range settings() {
		ps.add(place{}, s.key, s.check(c))
	}
	ps.add(place{}, "breaker.max_wait", c.checkMaxWait())
	links := c.checkLinks(ps)
	for _, name := range slices.Sorted(maps.Keys(c.Names)) {
		c.checkName(ps, name)
	}
	checkTwice(ps, links, c.Names)
	return ps
}

// checkMaxWait reports a longest wait that is shorter than the first.
func (c *Config) checkMaxWait() error {
	wait := *c.withDefaults().Breaker.Wait
	if longest := c.Breaker.MaxWait; longest != nil && *longest > 0 && *longest < wait {
		return fmt.Errorf("is less than breaker.wait, which is %s", formatDuration(wait))
	}
	return nil
}

// maxLinks is more than anybody asks one after the other.
const maxLinks = 64

// checkLinks returns the links whose URLs are good, with their names.
func (c *Config) checkLinks(ps *problems) []resolved {
	if len(c.Providers) > maxLinks {
		ps.add(place{}, "providers", fmt.Errorf("more than %d providers", maxLinks))
	}
	var links []resolved
	for i, l := range c.Providers[:min(len(c.Providers), maxLinks)] {
		r, err := l.resolve()
		r.place = i
		if ps.add(place{}, linkKey(i), cmp.Or(err, r.fault)); err == nil {
			links = append(links, r)
		}
	}
	return links
}

// linkKey is the key of the link of that index, for people, who count from 1.
func linkKey(i int) string { return fmt.Sprintf("provider %d", i+1) }

// checkTwice reports links that nothing tells apart.
func checkTwice(ps *problems, links []resolved, names map[string]map[string]string) {
	for i, l := range links {
		for _, other := range links[:i] {
			if err := apart(l, other, names); err != nil {
				ps.add(place{}, linkKey(l.place), err)
				break
			}
		}
	}
}

// apart returns why l cannot be there beside other, which is before it.
func apart(l, other resolved, names map[string]map[string]string) error {
	if cmp.Or(l.fault, other.fault) != nil {
		return nil //nolint:nilerr // told, and its name is not its own
	}
	same := l.store == other.store && l.Prefix == other.Prefix
	switch {
	case l.Name == other.Name && same:
		return fmt.Errorf("%s is listed twice: it is provider %d, too", l.Name, other.place+1)
	case l.Name == other.Name:
		return fmt.Errorf("provider %d is called %s, too: add %s=other to its URL", other.place+1, l.Name, nameParameter)
	case same && !hasNames(names, l.Name) && !hasNames(names, other.Name):
		return fmt.Errorf("%s is listed twice: it is provider %d, too, called %s", l.Name, other.place+1, other.Name)
	}
	return nil
}

// hasNames reports whether a link has names of its own.
func hasNames(names map[string]map[string]string, link string) bool {
	for _, byLink := range names {
		if _, ok := byLink[link]; ok {
			return true
		}
	}
	return false
}

func (c *Config) checkName(ps *problems, name string) {
	key := "names." + name
	if err := hush.Name(name).Validate(); err != nil {
		ps.add(place{}, key, err)
		return
	}
	if len(c.Names[name]) == 0 {
		ps.add(place{}, key, errors.New("says no link's name for it"))
	}
	for _, link := range slices.Sorted(maps.Keys(c.Names[name])) {
		if !isLinkName(link) {
			ps.add(place{}, key, fmt.Errorf("no link can have the name %s", suggest.Quote(link, nil)))
			continue
		}
		_, err := parseAlias(c.Names[name][link])
		ps.add(place{}, key+"."+link, err)
	}
}

// parseAlias reads the name that a store has for one of the program's names. No error
// quotes the name: it may be a secret in the wrong place.
func parseAlias(text string) (hush.Ref, error) {
	ref, err := hush.ParseRef(text)
	if err != nil {
		return ref, hush.NewError("", hush.Ref{}, hush.ErrInvalidRef, errors.New("write name or name#field, with %3F for ? and %23 for # in a name"))
	}
	if ref.Version != "" || ref.Stage != "" {
		return ref, errors.New("a version or a stage: that is for the program to ask for")
	}
	return ref, nil
}
