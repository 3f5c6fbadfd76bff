package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// providers reads the list of links.
func (r *reader) providers(n *yaml.Node) {
	if n.Kind == yaml.AliasNode { // reported
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.problem(n, "providers", "is %s and no list: write each provider on a line of its own after a dash", kind(n))
		return
	}
	r.found("providers", r.at(n))
	for i, item := range n.Content[:min(len(n.Content), maxLinks+1)] {
		key := linkKey(i)
		r.found(key, r.at(item))
		raw := r.link(item, key)
		link, _, err := raw.split()
		if err == nil {
			raw = link
		}
		r.Providers = append(r.Providers, raw)
	}
}

func (r *reader) link(n *yaml.Node, key string) (l Store) {
	switch {
	case n.Kind != yaml.MappingNode:
		l.URL, _ = r.text(n, key)
	case len(n.Content) == 2 && isNull(n.Content[1]) && !slices.Contains(linkKeys, n.Content[0].Value):
		l.URL = n.Content[0].Value + ":" // what YAML makes of a line "- env:"
	case len(n.Content) == 2 && n.Content[1].Kind == yaml.MappingNode:
		r.problem(n, key, "parameters are a part of the URL: write %s", asURL(n.Content[0], n.Content[1]))
	default:
		l = r.linkMapping(n, key)
	}
	return l
}

// isParameter reports whether text looks like a scheme or the name of a parameter.
func isParameter(text string) bool {
	return text != "" && len(text) <= 20 && 'a' <= text[0] && text[0] <= 'z' &&
		strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// asURL returns what a mapping of a scheme to its parameters was meant to be, without
// their values.
func asURL(scheme, parameters *yaml.Node) string {
	words := []string{scheme.Value}
	for i := 0; i < len(parameters.Content); i += 2 {
		words = append(words, parameters.Content[i].Value)
	}
	for _, word := range words {
		if !isParameter(word) {
			return "scheme:?key=value"
		}
	}
	if len(words) == 1 {
		return words[0]
	}
	return words[0] + ":?" + strings.Join(words[1:], "=…&") + "=…"
}

var linkKeys = []string{"url", "name", "timeout", "policy", "prefix"}

func (r *reader) linkMapping(n *yaml.Node, key string) (l Store) {
	r.each(n, key, linkKeys, func(name string, value *yaml.Node) {
		text, ok := r.text(value, key)
		if !ok {
			return
		}
		if text == "" {
			r.problem(value, key, "the %s is empty", name)
			return
		}
		switch name {
		case "url":
			l.URL = text
		case "name":
			l.Name = text
		case "policy":
			l.Policy = Policy(text)
		case "prefix":
			l.Prefix = text
		case "timeout":
			var err error
			if l.Timeout, err = parseTimeout(text); err != nil {
				r.problem(value, key, "the timeout %w", err)
			}
		}
	})
	return l
}

// parseTimeout reads the timeout of a link, which is more than 0.
func parseTimeout(text string) (time.Duration, error) {
	d, err := parseDuration(text)
	switch {
	case err != nil:
		return 0, err
	case d < 0:
		return 0, errors.New("is negative")
	case d == 0:
		return 0, errors.New("is 0: leave it out for the provider's own limit")
	}
	return d, nil
}

// names reads what stores call the program's names.
func (r *reader) names(n *yaml.Node) {
	r.each(n, "names", nil, func(name string, byLink *yaml.Node) {
		key := "names." + name
		r.found(key, r.at(byLink))
		refs := map[string]string{}
		r.each(byLink, key, nil, func(link string, value *yaml.Node) {
			r.found(fmt.Sprintf("%s.%s", key, link), r.at(value))
			refs[link], _ = r.text(value, key+"."+link)
		})
		if r.Names == nil {
			r.Names = map[string]map[string]string{}
		}
		r.Names[name] = refs
	})
}
