package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// openLinks opens the store that each URL names. A bare scheme is a URL, too. A
// scheme that fronts for the one right after it becomes a front.
func openLinks(ctx context.Context, urls []string, schemes []hush.Scheme) ([]chain.Link, error) {
	opened := make([]hush.Scheme, len(urls))
	links := make([]chain.Link, len(urls))
	used := map[string]int{}
	for i, text := range urls {
		scheme, provider, err := openURL(ctx, text, schemes)
		if err != nil {
			return nil, fmt.Errorf("provider %d: %w", i+1, err)
		}
		opened[i], links[i] = scheme, chain.Link{Name: scheme.Name, Provider: provider}
		if used[scheme.Name]++; used[scheme.Name] > 1 {
			links[i].Name = fmt.Sprintf("%s-%d", scheme.Name, used[scheme.Name])
		}
		if i > 0 {
			links[i-1].Front = opened[i-1].Front == scheme.Name
		}
	}
	return links, nil
}

// openURL never quotes the URL: it may hold what it should not.
func openURL(ctx context.Context, text string, schemes []hush.Scheme) (hush.Scheme, hush.Provider, error) {
	if !strings.Contains(text, ":") {
		text += ":"
	}
	u, err := url.Parse(text)
	if err != nil {
		return hush.Scheme{}, nil, fmt.Errorf("not a URL; known are %s", names(schemes))
	}
	i := slices.IndexFunc(schemes, func(s hush.Scheme) bool { return s.Name == u.Scheme })
	if i < 0 {
		return hush.Scheme{}, nil, fmt.Errorf("unknown scheme %q; known are %s", u.Scheme, names(schemes))
	}
	provider, err := schemes[i].Open(ctx, u)
	return schemes[i], provider, err
}

func names(schemes []hush.Scheme) string {
	list := make([]string, len(schemes))
	for i, s := range schemes {
		list[i] = s.Name
	}
	return strings.Join(list, ", ")
}
