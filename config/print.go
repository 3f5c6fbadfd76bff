package config

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"
)

// String returns the YAML form, or what is wrong with c in brackets.
func (c Config) String() string {
	tree, err := c.tree()
	if err != nil {
		return "[" + err.Error() + "]"
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		return "[config: it has no YAML form]"
	}
	return string(text)
}

// MarshalYAML returns the form that Load reads back as c. A Config that could not be
// read back is an error.
func (c Config) MarshalYAML() (any, error) { return c.tree() }

// MarshalJSON returns the form that Load reads back as c. A Config that could not be
// read back is an error.
func (c Config) MarshalJSON() ([]byte, error) {
	tree, err := c.tree()
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// UnmarshalYAML reads c, as a part of a larger file, by the rules of Load. What only
// code can give stays.
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	d := &draft{}
	r := &reader{draft: d}
	r.refuse(n)
	r.document(n)
	return c.become(d)
}

// UnmarshalJSON reads c, as a part of a larger file, by the rules of Load. Places are
// those in the part. What only code can give stays.
func (c *Config) UnmarshalJSON(data []byte) error {
	d := &draft{}
	d.read("", data)
	return c.become(d)
}

func (c *Config) become(d *draft) error {
	read, err := d.done()
	if err == nil {
		read.Logger, read.OnCall, read.OnRotate, read.OnStale = c.Logger, c.OnCall, c.OnRotate, c.OnStale
		read.origin = nil // the places are those in the part
		*c = *read
	}
	return err
}

// tree returns what was given of c as mappings and lists.
func (c *Config) tree() (map[string]any, error) {
	if err := c.check().err(); err != nil {
		return nil, err
	}
	tree := map[string]any{}
	for _, s := range settings() {
		v := s.get(c)
		if v == nil {
			continue
		}
		in := tree
		section, name, nested := strings.Cut(s.key, ".")
		if nested {
			below, ok := tree[section].(map[string]any)
			if !ok {
				below = map[string]any{}
				tree[section] = below
			}
			in = below
		} else {
			name = section
		}
		in[name] = v
	}
	if len(c.Providers) > 0 {
		links := make([]any, len(c.Providers))
		for i, l := range c.Providers {
			links[i] = l.tree()
		}
		tree["providers"] = links
	}
	if len(c.Names) > 0 {
		tree["names"] = c.Names
	}
	return tree, nil
}

// tree returns the URL of a link of which no more is given, else a mapping.
func (l Store) tree() any {
	plain, _, _ := l.split() // checked by the caller
	return plain.mapping()
}

func (l Store) mapping() any {
	tree := map[string]string{}
	for key, value := range map[string]string{"name": l.Name, "policy": string(l.Policy), "prefix": l.Prefix} {
		if value != "" {
			tree[key] = value
		}
	}
	if l.Timeout != 0 {
		tree["timeout"] = formatDuration(l.Timeout)
	}
	if len(tree) == 0 {
		return l.URL
	}
	tree["url"] = l.URL
	return tree
}
