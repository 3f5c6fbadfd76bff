package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document reads the root of a file.
func (r *reader) document(root *yaml.Node) {
	r.each(root, "", append([]string{"providers", "names"}, keysBelow("")...), func(key string, n *yaml.Node) {
		switch s, isSetting := settingOf(key); {
		case key == "providers":
			r.providers(n)
		case key == "names":
			r.names(n)
		case isSetting:
			r.setting(s, n)
		default:
			r.each(n, key, keysBelow(key+"."), func(name string, n *yaml.Node) {
				s, _ := settingOf(key + "." + name)
				r.setting(s, n)
			})
		}
	})
}

// keysBelow returns the keys in the mapping at a prefix, such as "cache.".
func keysBelow(prefix string) []string {
	var keys []string
	for _, s := range settings() {
		rest, ok := strings.CutPrefix(s.Key, prefix)
		key, _, _ := strings.Cut(rest, ".")
		if ok && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func settingOf(key string) (s Setting, ok bool) {
	i := slices.IndexFunc(settings(), func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return settings()[i], true
}

func (r *reader) setting(s Setting, n *yaml.Node) {
	r.setPlace(s.Key, r.at(n))
	if text, ok := r.text(n, s.Key); ok {
		r.problems.add(r.at(n), s.Key, s.set(&r.Config, text))
	}
}

// providers reads the list of stores.
func (r *reader) providers(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		r.report(n, "providers", "must be a list, not %s; write each provider on a line of its own after a dash", kind(n))
		return
	}
	r.setPlace("providers", r.at(n))
	for i, item := range n.Content[:min(len(n.Content), maxProviders+1)] {
		key := providerKey(i)
		r.setPlace(key, r.at(item))
		r.Providers = append(r.Providers, r.store(item, key))
	}
}

func (r *reader) store(n *yaml.Node, key string) (s Store) {
	switch {
	case n.Kind != yaml.MappingNode:
		s.URL, _ = r.text(n, key)
	case len(n.Content) == 2 && isNull(n.Content[1]) && !slices.Contains(mappingKeys, n.Content[0].Value):
		s.URL = n.Content[0].Value + ":" // YAML reads the line "- env:" as a mapping
	case len(n.Content) == 2 && n.Content[1].Kind == yaml.MappingNode:
		r.report(n, key, "parameters are a part of the URL; write for example direct:?region=eu-west-1")
	default:
		r.each(n, key, mappingKeys, func(name string, value *yaml.Node) { r.storeField(&s, key, name, value) })
	}
	return s
}

var mappingKeys = append([]string{"url"}, storeKeys...)

func (r *reader) storeField(s *Store, key, name string, n *yaml.Node) {
	if name != "url" {
		key += ": " + name
	}
	text, ok := r.text(n, key)
	switch {
	case !ok:
	case name == "url":
		s.URL = text
	default:
		r.problems.add(r.at(n), key, s.set(name, text))
	}
}

// names reads the names of the secrets in the stores.
func (r *reader) names(n *yaml.Node) {
	r.each(n, "names", nil, func(name string, byStore *yaml.Node) {
		key := "names." + name
		r.setPlace(key, r.at(byStore))
		refs := map[string]string{}
		r.each(byStore, key, nil, func(store string, value *yaml.Node) {
			r.setPlace(fmt.Sprintf("%s.%s", key, store), r.at(value))
			refs[store], _ = r.text(value, key+"."+store)
		})
		if r.Names == nil {
			r.Names = map[string]map[string]string{}
		}
		r.Names[name] = refs
	})
}
